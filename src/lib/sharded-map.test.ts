import { strict as assert } from "node:assert";
import fc from "fast-check";
import { ShardedMap } from "./index.js";

describe("a map in shards", () => {
  it("answers as a Map does, whatever comes and goes", () => {
    const change = fc.record({ key: fc.integer({ min: 0, max: 30 }), value: fc.option(fc.integer(), { nil: undefined }) });
    fc.assert(fc.property(fc.boolean(), fc.array(change, { maxLength: 200 }), (isLarge, changes) => {
      const sharded = new ShardedMap<number>(), plain = new Map<string, number>();
      // As many as make it divide itself.
      if (isLarge) for (let i = 0; i < 3_000; i++) { sharded.set(`other${i}`, i); plain.set(`other${i}`, i); }
      for (const { key: number, value } of changes) {
        const key = number === 0 ? "" : `task${number}.1`;
        if (value === undefined) assert.equal(sharded.delete(key), plain.delete(key));
        else { sharded.set(key, value); plain.set(key, value); }
        assert.equal(sharded.get(key), plain.get(key));
        assert.equal(sharded.has(key), plain.has(key));
      }
      for (const [key, value] of plain) assert.equal(sharded.get(key), value);
    }), { numRuns: 30 });
  });

  it("goes on through its division", () => {
    const map = new ShardedMap<number>();
    for (let i = 0; i < 10_000; i++) {
      map.set(`s${String(i).padStart(24, "0")}.1`, i);
      if (i % 1_000 === 0) map.delete(`s${String(i).padStart(24, "0")}.1`);
    }
    for (let i = 0; i < 10_000; i++) assert.equal(map.get(`s${String(i).padStart(24, "0")}.1`), i % 1_000 === 0 ? undefined : i);
  });
});
