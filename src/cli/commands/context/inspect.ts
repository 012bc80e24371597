import type { Command } from "../../command.js";
import { inspectFlags, printObjects } from "../../print/inspect.js";

export default {
  usage: "[OPTIONS] [NAME…]",
  about: "Shows contexts in full; without a name, the current one.",
  args: { min: 0, max: Infinity },
  flags: inspectFlags,
  async run(input) {
    const { args, contexts } = input;
    const current = contexts.current;
    printObjects(input, (args.length ? args : [current]).map((name) => ({ name, isCurrent: name === current, ...contexts.get(name) })));
  },
} satisfies Command as Command;
