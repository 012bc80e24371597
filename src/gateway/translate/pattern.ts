import { createContext, Script } from "node:vm";
import { SwarmError } from "../../lib/index.js";

const withinMs = 200;

/**
 * Which of the subjects one of the patterns fits, as Docker's name and id filters do: a regular expression anywhere in the subject, a leading slash allowed.
 * Expressions come from clients: matching ends after a bounded time.
 */
export function matchesPattern(patterns: readonly string[], subjects: readonly string[]): string[] {
  if (patterns.length === 0) return [];
  const plain = patterns.filter((pattern) => /^\^?\/?[\w-]*\$?$/.test(pattern));
  const others = patterns.filter((pattern) => !plain.includes(pattern));
  const fitsPlain = (subject: string) => plain.some((pattern) => {
    const bare = pattern.replace(/^\^?\/?/, "").replace(/\$$/, "");
    const [isFromStart, isToEnd] = [/^(\^|\/)/.test(pattern), pattern.endsWith("$")];
    return isFromStart && isToEnd ? subject === bare : isFromStart ? subject.startsWith(bare) : isToEnd ? subject.endsWith(bare) : subject.includes(bare);
  });
  const fitting = new Set(subjects.filter(fitsPlain));
  if (others.length > 0) {
    for (const pattern of others) try { new RegExp(pattern); } catch { throw new SwarmError("INVALID_ARGUMENT", `invalid filter: "${pattern.slice(0, 80)}" is not a regular expression`); }
    const context = createContext({ patterns: others, subjects });
    const script = new Script("subjects.filter((s) => patterns.some((p) => { const r = new RegExp(p); return r.test(s) || r.test('/' + s); })).join('\\n')");
    try { for (const name of String(script.runInContext(context, { timeout: withinMs })).split("\n")) fitting.add(name); } catch {
      throw new SwarmError("INVALID_ARGUMENT", `invalid filter: "${others.join('", "').slice(0, 120)}" took too long to match; write a simpler expression`);
    }
  }
  return [...fitting];
}
