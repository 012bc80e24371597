import type { Command, CommandInput, FlagSpec } from "./command.js";
import type { Flags } from "./flags.js";
import type { Connection } from "./connect.js";
import { forEachWord } from "./each.js";
import { inspectFlags, printObjects } from "./print/inspect.js";

/** `NOUN inspect`: shows objects in full, those that were found also when others were not. */
export function inspectCommand(noun: string, find: (connection: Connection, ref: string, flags: Flags) => Promise<object>, flags: readonly FlagSpec[] = []): Command {
  return {
    usage: `[OPTIONS] ${noun.toUpperCase()}…`,
    about: `Shows ${noun}s in full, as the API has them.`,
    args: { min: 1, max: Infinity },
    flags: [...inspectFlags, ...flags],
    async run(input: CommandInput) {
      const objects: object[] = [];
      try {
        await forEachWord(input.args, async (ref) => { objects.push(await find(input.connection, ref, input.flags)); });
      } finally { if (objects.length) printObjects(input, objects); }
    },
  };
}
