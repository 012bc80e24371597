import type { Command } from "../../command.js";
import { forEachWord } from "../../each.js";

export default {
  usage: "NAME…",
  about: "Forgets contexts; the clusters themselves go on.",
  args: { min: 1, max: Infinity },
  flags: [],
  async run({ args, contexts, terminal }) {
    await forEachWord(args, async (name) => { contexts.remove(name); terminal.out(`${name}\n`); });
  },
} satisfies Command as Command;
