import { SwarmError, codeOf, messageOf } from "../lib/index.js";

/**
 * Does `action` for every word, also after one failed: what can be done is done. Fails with all the sentences, under the first code.
 */
export async function forEachWord(words: readonly string[], action: (word: string) => Promise<void>): Promise<void> {
  const failures: unknown[] = [];
  for (const word of words) {
    try { await action(word); } catch (error) {
      if (!(error instanceof SwarmError)) throw error;
      failures.push(error);
    }
  }
  if (failures.length) throw new SwarmError(codeOf(failures[0]), failures.map(messageOf).join("\nswarmctl: "), { cause: failures[0] });
}
