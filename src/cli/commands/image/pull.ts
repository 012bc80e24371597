import type { Command } from "../../command.js";
import { nodeFlag } from "../../docker/container-flags.js";
import { credentialFlags, pullImage, splitReference } from "../../docker/pull.js";
import { forEachWord } from "../../each.js";
import { size } from "../../print/inspect.js";

export default {
  usage: "[OPTIONS] IMAGE…",
  about: "Fetches images from their registries to one host.",
  args: { min: 1, max: Infinity },
  flags: [{ name: "quiet", short: "q", kind: "switch", help: "Print only the ids" }, { name: "platform", kind: "text", value: "OS/ARCH", help: "Image of another platform" }, ...credentialFlags, nodeFlag],
  async run(input) {
    const { flags, args, connection, terminal } = input;
    const client = connection.docker(flags.text("node"));
    await forEachWord(args, async (reference) => {
      await pullImage(client, reference, input, { isQuiet: flags.on("quiet"), platform: flags.text("platform") });
      const { fromImage, tag } = splitReference(reference);
      const { Id, Size } = await client.json<{ Id: string; Size: number }>("GET", `/images/${encodeURIComponent(tag.includes(":") ? `${fromImage}@${tag}` : `${fromImage}:${tag}`)}/json`);
      terminal.out(flags.on("quiet") ? `${Id}\n` : `${reference} is here (${size(Size)}, ${Id.slice(0, 19)})\n`);
    });
  },
} satisfies Command as Command;
