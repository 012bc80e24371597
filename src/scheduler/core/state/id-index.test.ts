import assert from "node:assert/strict";
import { seededRandom } from "../../testing.js";
import { IdIndex } from "./id-index.js";

describe("index of ids", () => {
  it("finds every row, of few ids and of many, whenever they are added", () => {
    const random = seededRandom(1), ids: string[] = [], index = new IdIndex(ids, () => true);
    for (let i = 0; i < 5_000; i++) {
      ids.push(`node-${i}`);
      const row = Math.floor(random() * ids.length);
      if (random() < 0.1) assert.equal(index.get(ids[row]!), row);
    }
    for (const [row, id] of ids.entries()) assert.equal(index.get(id), row);
    assert.equal(index.get("node-5000"), undefined);
  });

  it("an id whose row stands for nothing any more is not known, and may have another row", () => {
    const ids = ["a", "b"], gone = new Set<number>(), index = new IdIndex(ids, (row) => !gone.has(row));
    assert.equal(index.get("a"), 0);
    gone.add(0);
    assert.equal(index.get("a"), undefined);
    ids.push("a");
    assert.deepEqual([index.get("a"), index.get("b")], [2, 1]);
  });

  it("takes note in steps of what it may be asked for", () => {
    const ids = Array.from({ length: 20_000 }, (_, i) => `n${i}`), index = new IdIndex(ids, () => true);
    let steps = 0;
    for (const _ of index.makeSteps()) {
      if (steps++ === 1) assert.equal(index.get("n19999"), 19_999);
    }
    assert.equal(steps, 2, "asked meanwhile, it has looked at the rest");
    assert.equal(index.get("n0"), 0);
  });
});
