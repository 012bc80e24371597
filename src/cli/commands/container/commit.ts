import type { Command } from "../../command.js";
import { nodeFlag } from "../../docker/container-flags.js";
import { splitReference } from "../../docker/pull.js";

export default {
  usage: "[OPTIONS] CONTAINER [NAME[:TAG]]",
  about: "Makes an image of a container's files.",
  args: { min: 1, max: 2 },
  flags: [
    { name: "author", short: "a", kind: "text", value: "NAME", help: "Who made it" },
    { name: "message", short: "m", kind: "text", value: "TEXT", help: "What for" },
    { name: "change", short: "c", kind: "list", value: "INSTRUCTION", help: "A Dockerfile's CMD, ENV, EXPOSE, …" },
    { name: "no-pause", kind: "switch", help: "Do not freeze it meanwhile" },
    nodeFlag,
  ],
  async run({ flags, args, connection, terminal }) {
    const name = args[1] === undefined ? undefined : splitReference(args[1]);
    const { Id } = await connection.docker(flags.text("node")).json<{ Id: string }>("POST", "/commit", {
      query: { container: args[0], repo: name?.fromImage, tag: name?.tag, author: flags.text("author"), comment: flags.text("message"), pause: !flags.on("no-pause"), changes: flags.list("change").join("\n") || undefined }, body: {},
    });
    terminal.out(`${Id}\n`);
  },
} satisfies Command as Command;
