import type { Command } from "../../command.js";
import { nodeFlag } from "../../docker/container-flags.js";
import { forEachWord } from "../../each.js";

export default {
  usage: "[OPTIONS] IMAGE…",
  about: "Removes images from one host; one that a container uses is refused.",
  args: { min: 1, max: Infinity },
  flags: [{ name: "force", short: "f", kind: "switch", help: "Also an image that ended containers use, or that has several names" }, nodeFlag],
  async run({ flags, args, connection, terminal }) {
    const client = connection.docker(flags.text("node"));
    await forEachWord(args, async (reference) => {
      const gone = await client.json<{ Untagged?: string; Deleted?: string }[]>("DELETE", `/images/${encodeURIComponent(reference)}`, { query: { force: flags.on("force") } });
      for (const { Untagged, Deleted } of gone) terminal.out(Untagged ? `untagged ${Untagged}\n` : `deleted ${Deleted}\n`);
    });
  },
} satisfies Command as Command;
