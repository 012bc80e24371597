import { strict as assert } from "node:assert";
import { TestGroup } from "./node-test-group.js";

describe("a raft group on real disks", function () {
  this.timeout(30_000);
  let group: TestGroup;
  beforeEach(() => { group = new TestGroup(); });
  afterEach(() => group.destroy());

  it("a first member leads alone and commits", async () => {
    const one = await group.bootstrap(1);
    await one.leads();
    const { index } = await one.propose("a");
    assert.deepEqual(one.values(), ["a"]);
    assert.ok(index > 1);
  });

  it("members join, are promoted, and hold the same entries", async () => {
    const leader = await group.three();
    await Promise.all(Array.from({ length: 100 }, (_, i) => leader.propose(`v${i}`)));
    await group.converge();
    assert.equal(group.get(3).values().length, 100);
    assert.deepEqual(leader.raft.status().members.map((m) => m.isLearner), [false, false, false]);
  });

  it("everything acknowledged is there after all were killed and started again", async () => {
    const leader = await group.three();
    await Promise.all(Array.from({ length: 50 }, (_, i) => leader.propose(`v${i}`)));
    for (const id of [1, 2, 3]) await group.kill(id);
    for (const id of [1, 2, 3]) await group.start(id);
    const next = await group.leader();
    await next.propose("after");
    await group.converge();
    for (const id of [1, 2, 3]) assert.deepEqual(group.get(id).values(), [...Array.from({ length: 50 }, (_, i) => `v${i}`), "after"]);
  });
});
