import { strict as assert } from "node:assert";
import fc from "fast-check";
import { floorOf, levelOf, levels } from "./quasi-log.js";

describe("quasi-logarithmic levels", () => {
  it("are in the order of the amounts, an eighth wide, and cover every amount", () => {
    for (let level = 0; level < levels; level++) assert.equal(levelOf(floorOf(level)), level);
    fc.assert(fc.property(fc.double({ min: 0, max: 2 ** 26 - 1, noNaN: true }), (amount) => {
      const level = levelOf(amount);
      assert.ok(floorOf(level) <= amount && (level === levels - 1 || amount < floorOf(level + 1)));
      assert.ok(level < 8 || level === levels - 1 || floorOf(level + 1) <= floorOf(level) * 1.125);
    }));
    assert.deepEqual([levelOf(-5), levelOf(2 ** 40), levelOf(2 ** 52)], [0, levels - 1, levels - 1]);
  });
});
