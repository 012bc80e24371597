import { strict as assert } from "node:assert";
import { addService, nodeOf, specOf, stateOfNodes } from "../../testing.js";
import { Turnover } from "./turnover.js";

/** What `steps` say, one after the other: how many come, how many go. */
function after(steps: readonly (readonly [came: number, gone: number])[], placedBefore = 0): number {
  const turnover = new Turnover();
  let placed = placedBefore, part = turnover.of(placed);
  for (const [came, gone] of steps) {
    for (let i = 0; i < gone; i++) turnover.noteGone();
    part = turnover.of(placed += came - gone);
  }
  return part;
}

describe("the turnover of tasks", () => {
  it("is nothing while tasks only come, and nearly all where as many go", () => {
    assert.equal(after([[1000, 0], [1000, 0]]), 0);
    assert.ok(after([[1000, 0], ...Array.from({ length: 100 }, () => [50, 50] as const)]) > 0.85);
  });

  it("is half where every second one stays", () => {
    const part = after(Array.from({ length: 200 }, () => [100, 50] as const));
    assert.ok(Math.abs(part - 0.5) < 0.05, `${part}`);
  });

  it("does not take tasks that were there before for newcomers: a new leader knows soon", () => {
    assert.equal(after([], 3000), 0);
    assert.ok(after([[300, 300]], 3000) > 0.7);
  });

  it("forgets: a cluster that grows after having been as it was for long is one that grows", () => {
    assert.ok(after([...Array.from({ length: 100 }, () => [50, 50] as const), [6000, 0]], 1000) < 0.1);
  });

  it("is the same however often it is asked for", () => {
    const seldom = after([[100, 80], [120, 100]], 1000), often = after([...Array.from({ length: 80 }, () => [1, 1] as const), [20, 0], ...Array.from({ length: 100 }, () => [0, 1] as const), [120, 0]], 1000);
    assert.ok(Math.abs(seldom - often) < 1e-9, `${seldom} ${often}`);
  });

  it("counts tasks that are no more, not moves and not places that were tried", () => {
    const state = stateOfNodes([nodeOf("a", { cpu: 8 }), nodeOf("b", { cpu: 8 })]);
    const { tasks } = addService(state, "s", specOf({ cpu: 1 }), 4);
    state.turnover.of(0);
    for (const t of tasks) state.place(t, 0);
    for (const t of tasks) { state.unplace(t); state.place(t, 1); }
    assert.equal(state.turnover.of(state.placedTasks), 0);
    for (const t of tasks) state.removeTask(t);
    assert.ok(state.copy().turnover.of(state.placedTasks) > 0.75);
  });
});
