import type { Command } from "../../command.js";
import { confirm, yesFlag } from "../../confirm.js";
import { forEachWord } from "../../each.js";

export default {
  usage: "[OPTIONS] NODE…",
  about: "Removes nodes from the cluster; their certificates are refused from then on. A node that is up leaves first (\"swarmctl leave\" on it), or --force removes it.",
  args: { min: 1, max: Infinity },
  flags: [{ name: "force", kind: "switch", help: "Also a node that is up" }, yesFlag],
  async run(input) {
    const { args, flags, connection, terminal } = input;
    await confirm(input, `Remove ${args.length === 1 ? `the node "${args[0]}"` : `${args.length} nodes`} from the cluster?`);
    await forEachWord(args, async (ref) => {
      await connection.control("removeNode", { ref, force: flags.on("force") });
      terminal.out(`${ref}\n`);
    });
  },
} satisfies Command as Command;
