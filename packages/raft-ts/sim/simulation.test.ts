import { strict as assert } from "node:assert";
import { fairWeather } from "./network.js";
import { makePlan, type Plan } from "./plan.js";
import { runSeed, Simulation, type Result } from "./simulation.js";

// More or less than a minute of new seeds: RAFT_SIM_SECONDS.
const seconds = Number(process.env.RAFT_SIM_SECONDS ?? 60);

/** The same worlds each time: lone members, pairs, storms of leaders, members that come and go, flipped bits. What runs found once has a small test of its own (durability.test.ts). */
const fixedSeeds = [4, 12, 20, 29, 103, 114, 146, 281, 305, 425, 1231, 10012, 30379, 3304968];

function hold(result: Result): Result {
  assert.equal(result.violation, undefined, `seed ${result.seed} after ${result.violation?.atMs} ms: ${result.violation?.message}\n  npx tsx packages/raft-ts/sim/run.ts --trace ${result.seed}`);
  return result;
}

describe("a simulated group of whole members", function () {
  this.timeout((seconds + 120) * 1000);

  it("does the same again with the same seed", async () => {
    const seeds = [1, 2, 3, 4];
    const [first, second] = [[] as Result[], [] as Result[]];
    for (const seed of seeds) first.push(await runSeed(seed));
    for (const seed of seeds) second.push(await runSeed(seed, { story: [] }));
    assert.deepEqual(first, second);
    assert.equal(new Set(first.map((result) => result.hash)).size, seeds.length);
  });

  it("keeps every promise in worlds that stay the same", async () => {
    for (const seed of fixedSeeds) hold(await runSeed(seed));
  });

  it("keeps every promise in worlds that nobody has seen before", async () => {
    const from = Math.floor(Date.now() / 1000) % 1_000_000_000;
    const until = performance.now() + seconds * 1000;
    let seed = from, simulatedMs = 0, faults = 0;
    for (; performance.now() < until; seed++) {
      const result = hold(await runSeed(seed));
      simulatedMs += result.simulatedMs;
      faults += result.stats.faults;
    }
    console.log(`        ${seed - from} seeds from ${from}: ${(simulatedMs / 3_600_000).toFixed(1)} simulated hours, ${faults} faults`);
  });

  it("holds no needless election in an hour of which every fifth message is lost", async () => {
    const hour = 3_600_000;
    const base = makePlan(7);
    // Three members are the harder case: the leader misses its majority as soon as both others miss their turns.
    for (const [members, seed] of [[3, 1], [3, 2], [3, 3], [5, 4]] as const) {
      const plan: Plan = {
        ...base, seed, members, quietMs: 10_000, faultsEndMs: hour, faults: [{ number: 0, atMs: Infinity, kind: "weather", seed: 0 }], clockSkew: 0.01,
        weather: { ...fairWeather, loss: 0.2, isOrdered: false }, diskTraits: { sectorBytes: 4096, isNameOrderLost: false },
        load: { keys: 8, writesPerSecond: 1, readsPerSecond: 0, burst: 1, paddingBytes: 0, astray: 0 }, snapshotChunkBytes: 4096,
        // Everything else by default; segments of 16 MiB only take memory here.
        limits: { segmentBytes: 262_144 },
      };
      const result = hold(await new Simulation(plan).run());
      assert.equal(result.stats.elections, 1, `${members} members held ${result.stats.elections} elections (seed ${seed})`);
      assert.ok(result.stats.writes > 2000, `${result.stats.writes} writes`);
    }
  });
});
