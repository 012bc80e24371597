import type { Command } from "../../command.js";
import { confirm, yesFlag } from "../../confirm.js";
import { forEachWord } from "../../each.js";

export default {
  usage: "[OPTIONS] NETWORK…",
  about: "Removes networks; one that a service uses is refused.",
  args: { min: 1, max: Infinity },
  flags: [yesFlag],
  async run(input) {
    const { args, connection, terminal } = input;
    await confirm(input, `Remove ${args.length === 1 ? `the network "${args[0]}"` : `${args.length} networks`}?`);
    await forEachWord(args, async (ref) => {
      await connection.control("removeNetwork", { ref });
      terminal.out(`${ref}\n`);
    });
  },
} satisfies Command as Command;
