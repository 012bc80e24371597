// From a failing seed to a short story: faults are taken away, in halves, then quarters, then one by one, for as long as the same promise is broken without them
// (delta debugging, Zeller & Hildebrandt 2002); then the parts of the world that are left.
import { Simulation, type Result } from "./simulation.js";
import { makePlan, type Given, type Plan } from "./plan.js";
import { fairWeather } from "./network.js";

export interface Shrunk { readonly plan: Plan; readonly skip: ReadonlySet<number>; readonly simplified: readonly string[]; readonly runs: number; readonly result: Result; readonly story: readonly string[] }

/** Undefined: the seed does not fail. `limitMs` of real time, after which the best so far is taken. */
export async function shrink(seed: number, options: { readonly limitMs: number; readonly given?: Given; readonly progress?: (line: string) => void } = { limitMs: 120_000 }): Promise<Shrunk | undefined> {
  const startedAt = performance.now();
  let plan = makePlan(seed, options.given);
  let runs = 1;
  const first = await new Simulation(plan).run();
  if (!first.violation) return undefined;
  const { promise, atMs } = first.violation;
  const isLate = (): boolean => performance.now() - startedAt > options.limitMs;
  const fails = async (candidate: Plan, without: ReadonlySet<number>): Promise<boolean> => {
    runs++;
    return (await new Simulation(candidate, { skip: without }).run()).violation?.promise === promise;
  };

  // What had not happened yet when it failed had no part in it.
  let kept = plan.faults.filter((fault) => fault.atMs <= atMs).map((fault) => fault.number);
  const skipping = (keep: readonly number[]): Set<number> => new Set(plan.faults.map((fault) => fault.number).filter((number) => !keep.includes(number)));
  if (atMs < plan.faultsEndMs && await fails({ ...plan, faultsEndMs: atMs + 1000 }, skipping(kept))) plan = { ...plan, faultsEndMs: atMs + 1000 };
  const simplified: string[] = [];
  const simplify = async (what: string, simpler: Plan): Promise<void> => {
    if (isLate() || !await fails(simpler, skipping(kept))) return;
    plan = simpler;
    simplified.push(what);
  };
  await simplify("fair weather", { ...plan, weather: fairWeather });

  for (let size = Math.ceil(kept.length / 2); size >= 1 && !isLate(); size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < kept.length && !isLate();) {
      const fewer = [...kept.slice(0, at), ...kept.slice(at + size)];
      if (await fails(plan, skipping(fewer))) { kept = fewer; options.progress?.(`${kept.length} faults are left`); } else at += size;
    }
  }
  await simplify("clocks agree", { ...plan, clockSkew: 0 });
  await simplify("small entries", { ...plan, load: { ...plan.load, paddingBytes: 0 } });
  await simplify("single operations", { ...plan, load: { ...plan.load, burst: 1 } });
  await simplify("no reads", { ...plan, load: { ...plan.load, readsPerSecond: 0 } });
  await simplify("one write a second", { ...plan, load: { ...plan.load, writesPerSecond: 1 } });
  for (const members of [2, 3, 4, 5]) if (members < plan.members) await simplify(`${members} members`, { ...plan, members });

  const story: string[] = [];
  const skip = skipping(kept);
  const result = await new Simulation(plan, { skip, story }).run();
  return { plan, skip, simplified, runs: runs + 1, result, story };
}
