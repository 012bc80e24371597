import type { Command } from "../../command.js";
import { jsonLines } from "../../docker/client.js";
import { nodeFlag } from "../../docker/container-flags.js";
import { showProgress, type Progress } from "../../docker/progress-view.js";
import { credentialFlags, registryHeaders, splitReference } from "../../docker/pull.js";
import { forEachWord } from "../../each.js";

export default {
  usage: "[OPTIONS] IMAGE…",
  about: "Sends images from one host to their registries.",
  args: { min: 1, max: Infinity },
  flags: [{ name: "quiet", short: "q", kind: "switch", help: "Print only the digests" }, ...credentialFlags, nodeFlag],
  async run(input) {
    const { flags, args, connection, terminal, signal } = input;
    const client = connection.docker(flags.text("node"));
    // The header is asked for even when it says nothing.
    const headers = { "x-registry-auth": Buffer.from("{}").toString("base64url"), ...registryHeaders(input) };
    await forEachWord(args, async (reference) => {
      const { fromImage, tag } = splitReference(reference);
      const response = await client.stream("POST", `/images/${encodeURIComponent(fromImage)}/push`, { query: { tag }, headers, signal });
      const digest = (await showProgress(jsonLines<Progress>(response), terminal, flags.on("quiet"))).findLast((each) => each?.Digest)?.Digest ?? "";
      terminal.out(flags.on("quiet") ? `${digest}\n` : `${fromImage}:${tag} is pushed (${digest.slice(0, 19)})\n`);
    });
  },
} satisfies Command as Command;
