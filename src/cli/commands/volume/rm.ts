import type { Command } from "../../command.js";
import { confirm, yesFlag } from "../../confirm.js";
import { nodeFlag } from "../../docker/container-flags.js";
import { forEachWord } from "../../each.js";

export default {
  usage: "[OPTIONS] VOLUME…",
  about: "Removes volumes with what is in them; one that a container has is refused.",
  args: { min: 1, max: Infinity },
  flags: [{ name: "force", short: "f", kind: "switch", help: "One that is not there is fine" }, yesFlag, nodeFlag],
  async run(input) {
    const { flags, args, connection, terminal } = input;
    await confirm(input, `Remove ${args.length === 1 ? `the volume "${args[0]}"` : `${args.length} volumes`} with what is in ${args.length === 1 ? "it" : "them"}?`);
    const client = connection.docker(flags.text("node"));
    await forEachWord(args, async (name) => { await client.json("DELETE", `/volumes/${encodeURIComponent(name)}`, { query: { force: flags.on("force") } }); terminal.out(`${name}\n`); });
  },
} satisfies Command as Command;
