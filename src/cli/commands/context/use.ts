import type { Command } from "../../command.js";

export default {
  usage: "NAME",
  about: "Chooses the cluster that commands talk to from now on; \"default\" is this host's own daemon.",
  args: { min: 1 },
  flags: [],
  async run({ args, contexts, terminal }) {
    contexts.use(args[0]!);
    terminal.out(`${args[0]}\n`);
  },
} satisfies Command as Command;
