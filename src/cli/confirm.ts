import { SwarmError } from "../lib/index.js";
import type { CommandInput, FlagSpec } from "./command.js";

export const yesFlag: FlagSpec = { name: "yes", short: "y", kind: "switch", help: "Do not ask" };

/** Asks before what cannot be undone. Where nobody can be asked, the command itself was the answer. */
export async function confirm(input: CommandInput, question: string): Promise<void> {
  if (input.flags.on("yes") || !input.terminal.canAsk) return;
  const answer = await input.terminal.ask(`${question} [y/N] `);
  if (!/^y(es)?$/i.test(answer.trim())) throw new SwarmError("ABORTED", "Nothing was done; --yes does it without asking.");
}
