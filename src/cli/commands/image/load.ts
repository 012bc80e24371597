import type { Command } from "../../command.js";
import { nodeFlag } from "../../docker/container-flags.js";
import { loadImages } from "../../upload.js";

export default {
  usage: "[OPTIONS] [-i FILE]",
  about: "Loads the images of a tar archive, as \"docker save\" or OCI tools make it, into one host.",
  args: { min: 0 },
  flags: [
    { name: "input", short: "i", kind: "text", value: "FILE", help: "The archive (default: standard input)" },
    { name: "quiet", short: "q", kind: "switch", help: "Print only the names" },
    nodeFlag,
  ],
  examples: [["swarmctl image load --node w1 -i busybox.tar", "Into the node w1"]],
  async run({ flags, connection, terminal, signal }) {
    const isQuiet = flags.on("quiet");
    for (const name of await loadImages(connection.docker(flags.text("node")), flags.text("input") ?? "-", { terminal, isQuiet, signal })) terminal.out(isQuiet ? `${name}\n` : `${name} is loaded\n`);
  },
} satisfies Command as Command;
