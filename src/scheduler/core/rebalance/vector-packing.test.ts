import assert from "node:assert/strict";
import fc from "fast-check";
import { packVectors, type VectorPackingProblem } from "./vector-packing.js";

const problems = fc.integer({ min: 1, max: 4 }).chain((dimensions) => fc.array(fc.array(fc.integer({ min: 0, max: 100 }), { minLength: dimensions, maxLength: dimensions }), { maxLength: 40 })
  .map((items): VectorPackingProblem => ({ dimensions, capacities: new Float64Array(dimensions).fill(100), sizes: Float64Array.from(items.flat()) })));

function loadsOf({ dimensions, sizes }: VectorPackingProblem, binOfItem: Int32Array, bins: number): number[] {
  const loads = new Array<number>(bins * dimensions).fill(0);
  binOfItem.forEach((bin, item) => { for (let d = 0; d < dimensions; d++) loads[bin * dimensions + d]! += sizes[item * dimensions + d]!; });
  return loads;
}

describe("vector packing", () => {
  it("every item is in a bin, no bin is over its capacity, none is empty, and the bound holds", () => {
    fc.assert(fc.property(problems, (problem) => {
      const { bins, binOfItem, lowerBound } = packVectors(problem, { rounds: 200 });
      assert.ok(binOfItem.every((bin) => bin >= 0 && bin < bins));
      assert.ok(loadsOf(problem, binOfItem, bins).every((load) => load <= 100));
      assert.equal(new Set(binOfItem).size, bins);
      assert.ok(bins >= lowerBound);
    }), { numRuns: 60 });
  });

  it("is the same for the same problem", () => {
    fc.assert(fc.property(problems, (problem) => { assert.deepEqual(packVectors(problem, { rounds: 50 }), packVectors(problem, { rounds: 50 })); }), { numRuns: 20 });
  });

  it("items that leave no gap need no more bins than their sum", () => {
    // Thirds and two thirds of four dimensions, crosswise: first-fit leaves gaps, the bound is 20.
    const items = Array.from({ length: 20 }, (_, k) => { const a = 30 + ((k * 7) % 41), b = 20 + ((k * 11) % 53); return [[a, b], [100 - a, 100 - b]]; }).flat();
    const { bins, lowerBound } = packVectors({ dimensions: 2, capacities: Float64Array.of(100, 100), sizes: Float64Array.from(items.flat()) });
    assert.equal(lowerBound, 20);
    assert.equal(bins, 20);
  });

  it("takes capacities of any size, a dimension that no item asks for, and one of which a bin has nothing", () => {
    const gib = 2 ** 30, sizes = Float64Array.from([2_000, 3 * gib, 0, 2_000, 5 * gib, 0, 1_000, 1 * gib, 0]);
    assert.equal(packVectors({ dimensions: 3, capacities: Float64Array.of(4_000, 8 * gib, 0), sizes }).bins, 2);
    assert.equal(packVectors({ dimensions: 1, capacities: Float64Array.of(1), sizes: Float64Array.of() }).bins, 0);
    assert.equal(packVectors({ dimensions: 1, capacities: Float64Array.of(1), sizes: Float64Array.of(0, 0, 0) }).bins, 1);
  });

  it("refuses an item larger than a bin, and numbers that are none", () => {
    for (const size of [101, -1, NaN, Infinity]) {
      assert.throws(() => packVectors({ dimensions: 1, capacities: Float64Array.of(100), sizes: Float64Array.of(1, size) }), { name: "RangeError", message: /^Cannot pack item 1: it asks .* of dimension 0, and a bin has 100$/ });
    }
  });
});
