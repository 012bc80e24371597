import { strict as assert } from "node:assert";
import { configOf, Hand, HandGroup, of } from "./hand-test-group.js";

describe("the core: a leader whose process ended", () => {
  const follower = (options = {}): Hand => {
    const a = new Hand(1, {}, options);
    a.step({ type: "heartbeat", from: 2, term: 1, commit: 0, round: 1 }).sync();
    return a;
  };
  const breakTwice = (a: Hand): void => { a.core.unreachable(2); a.core.unreachable(2); };

  it("is not waited for until the election timeout", () => {
    const a = follower();
    breakTwice(a);
    assert.deepEqual(of(a.ticks(1).turn(), "vote"), []);
    assert.deepEqual(of(a.ticks(1).turn(), "vote").map((m) => [m.to, m.isPre]), [[2, true], [3, true]]);
  });

  it("one break of the connection is only looked into: it is opened again", () => {
    const a = follower();
    a.core.unreachable(2);
    for (let tick = 1; tick < 10; tick++) assert.deepEqual(a.ticks(1).turn().map((m) => [m.type, m.to]), [["hello", 2]]);
    assert.equal(of(a.ticks(1).turn(), "vote").length, 2);
  });

  it("is not doubted once it is heard again", () => {
    const a = follower();
    breakTwice(a);
    a.ticks(1).turn();
    a.step({ type: "heartbeat", from: 2, term: 1, commit: 0, round: 2 }).turn();
    assert.deepEqual(a.ticks(5).turn(), []);
  });

  it("two missed heartbeats are waited for, however long their interval is", () => {
    const a = follower({ heartbeatTicks: 3 });
    breakTwice(a);
    assert.deepEqual(of(a.ticks(5).turn(), "vote"), []);
    assert.equal(of(a.ticks(1).turn(), "vote").length, 2);
  });

  it("that another member cannot be reached says nothing about it", () => {
    const a = follower();
    a.core.unreachable(3); a.core.unreachable(3);
    assert.deepEqual(a.ticks(9).turn(), []);
  });

  it("is waited for where it may be reading by a lease", () => {
    const a = follower({ readMode: "lease" });
    breakTwice(a);
    assert.deepEqual(of(a.ticks(9).turn(), "vote"), []);
    assert.equal(of(a.ticks(1).turn(), "vote").length, 2);
  });

  it("whoever still hears it does not listen to those who doubt it", () => {
    const group = new HandGroup(configOf(1, 2, 3));
    group.elect(3);
    const one = group.get(1);
    one.core.unreachable(3); one.core.unreachable(3);
    one.ticks(2);
    group.settle();
    assert.equal(group.get(3).core.role, "leader");
    assert.equal(group.get(2).core.leader, 3);
  });
});
