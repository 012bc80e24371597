import { SwarmError } from "../../../lib/index.js";

const unitMs: Record<string, number> = { ns: 1e-6, us: 1e-3, "µs": 1e-3, "μs": 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** "1m30s" as Go writes durations; Dockerfiles have no other form. */
export function durationMs(text: string): number {
  if (text === "0") return 0;
  const refuse = (): never => { throw new SwarmError("INVALID_ARGUMENT", `invalid duration "${text.slice(0, 50)}"; write it like 30s or 1m30s`); };
  if (text === "" || text.length > 50) refuse();
  let total = 0;
  let rest = text;
  while (rest !== "") {
    const [all, number, unit] = /^(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/.exec(rest) ?? refuse();
    total += Number(number) * unitMs[unit!]!;
    rest = rest.slice(all!.length);
  }
  return total;
}
