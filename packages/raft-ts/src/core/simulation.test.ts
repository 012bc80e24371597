import { strict as assert } from "node:assert";
import { Simulation, type SimulationOptions } from "./simulation.js";

// More seeds: RAFT_SEEDS=10000. A failing seed is named in the error; run it alone with `from`.
const seeds = Number(process.env.RAFT_SEEDS ?? 60);

function runSeeds(from: number, options: Omit<SimulationOptions, "seed" | "nodes" | "durationMs">): Record<string, number> {
  const total: Record<string, number> = {};
  for (let seed = from; seed < from + seeds; seed++) {
    const simulation = new Simulation({ seed, nodes: seed % 2 === 0 ? 5 : 3, durationMs: 3000, ...options });
    simulation.run();
    for (const [name, count] of Object.entries(simulation.stats)) total[name] = (total[name] ?? 0) + count;
  }
  return total;
}

describe("a simulated group", function () {
  this.timeout(60_000 + seeds * 200);

  it("keeps every promise while messages are lost, members crash and leaders are cut off", () => {
    const total = runSeeds(1, { faults: true });
    assert.ok(total.elections! > seeds && total.crashes! > seeds / 2 && total.reads! > seeds, JSON.stringify(total));
  });

  it("keeps them while members come and go", () => {
    const total = runSeeds(1001, { faults: true, membership: true });
    assert.ok(total.configChanges! > seeds * 5 && total.joints! > seeds && total.forwarded! > seeds, JSON.stringify(total));
  });

  it("keeps them while leaders read by lease, with clocks that differ", () => {
    const total = runSeeds(3001, { faults: true, lease: true });
    assert.ok(total.reads! > seeds, JSON.stringify(total));
    runSeeds(4001, { faults: true, lease: true, membership: true });
  });

  it("keeps them while logs lose synced entries", () => {
    const total = runSeeds(2001, { faults: true, damage: true });
    assert.ok(total.recovered! > 0, JSON.stringify(total));
  });

  it("does the same again with the same seed", () => {
    const traces = [1, 2].map(() => {
      const simulation = new Simulation({ seed: 42, nodes: 5, durationMs: 2000, faults: true, membership: true });
      simulation.trace = [];
      simulation.run();
      return simulation.trace.join("\n");
    });
    assert.ok(traces[0]!.length > 10_000);
    assert.equal(traces[0], traces[1]);
  });
});
