import assert from "node:assert/strict";
import { RepeatFilter } from "./index.js";

describe("repeat filter", () => {
  it("lets each key through once a period, and says how many it held back", () => {
    let now = 0;
    const filter = new RepeatFilter({ monotonic: () => now }, 1_000);
    assert.equal(filter.pass("a"), 0);
    assert.equal(filter.pass("b"), 0);
    now = 999;
    assert.deepEqual([filter.pass("a"), filter.pass("a")], [undefined, undefined]);
    now = 1_000;
    assert.deepEqual([filter.pass("a"), filter.pass("b"), filter.pass("a")], [2, 0, undefined]);
  });
});
