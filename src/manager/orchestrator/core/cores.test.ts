import { strict as assert } from "node:assert";
import { newContainerSpec, newPlacement, newResources, newRestartPolicy, newServiceSpec, newTask, newTaskSpec, newTaskStatus, newNode, newNodeDescription, type TaskState } from "../../../model/index.js";
import { missingSlots, surplusPlaces } from "./replicated.js";
import { decideRestart, restartDelayMs } from "./restart.js";
import { groupByPlace } from "./places.js";
import { deepEqual, needsReplacing } from "./spec-compare.js";

const running = (slot: number, nodeId: string, state: TaskState = "RUNNING") =>
  newTask({ id: `t${slot}${nodeId}`, slot, nodeId, status: newTaskStatus({ state }) });

describe("slots", () => {
  it("the lowest free ones are filled", () => {
    const places = groupByPlace([running(2, "a"), running(5, "a")], false);
    assert.deepEqual(missingSlots(places, 5, 100), [1, 3, 4]);
    assert.deepEqual(missingSlots(places, 5, 2), [1, 3]);
    assert.deepEqual(missingSlots(places, 2, 100), []);
  });

  for (const [what, tasks, replicas, gone] of [
    ["unplaced tasks go first", [running(1, "a"), running(2, "", "PENDING"), running(3, "b")], 2, [2]],
    ["then those on the node with most copies, the highest slot of them", [running(1, "a"), running(2, "a"), running(3, "b"), running(4, "a")], 2, [4, 2]],
    ["then those that do not run", [running(1, "a", "STARTING"), running(2, "b"), running(3, "c")], 2, [1]],
    ["then the highest slot", [running(1, "a"), running(2, "b"), running(3, "c")], 1, [3, 2]],
    ["none when there are few enough", [running(1, "a")], 3, []],
  ] as const) it(`scaling down: ${what}`, () => {
    const surplus = surplusPlaces(groupByPlace([...tasks], false), replicas).map((place) => place.slot);
    assert.deepEqual(surplus.sort((a, b) => b - a), gone);
  });
});

describe("restarts", () => {
  it("delays double up to the greatest", () => {
    const policy = newRestartPolicy({ delayMs: 5_000, maxDelayMs: 60_000 });
    assert.deepEqual([0, 1, 2, 3, 4, 100].map((n) => restartDelayMs(policy, n)), [5_000, 10_000, 20_000, 40_000, 60_000, 60_000]);
  });

  it("without a delay the second restart waits nevertheless", () => {
    const policy = newRestartPolicy({ delayMs: 0 });
    assert.deepEqual([0, 1, 2, 3].map((n) => restartDelayMs(policy, n)), [0, 100, 200, 400]);
  });

  it("attempts count within the window only", () => {
    const spec = newServiceSpec({ task: newTaskSpec({ restart: newRestartPolicy({ maxAttempts: 2, windowMs: 10_000 }) }) });
    const failed = (id: string, atMs: number) => newTask({ id, slot: 1, meta: { version: 1, createdAtMs: atMs - 1, updatedAtMs: 0 }, desiredState: "SHUTDOWN", status: newTaskStatus({ state: "FAILED", appliedAtMs: atMs }) });
    const decide = (...times: number[]) => {
      const tasks = times.map((atMs, i) => failed(`t${i}`, atMs));
      return decideRestart(tasks.at(-1)!, spec, groupByPlace(tasks, false)[0]!).kind;
    };
    assert.equal(decide(1_000, 5_000), "restart");
    assert.equal(decide(1_000, 5_000, 9_000), "finished");
    assert.equal(decide(1_000, 5_000, 15_500), "restart");
  });
});

describe("what an update replaces", () => {
  const base = newServiceSpec({ name: "web", task: newTaskSpec({ container: newContainerSpec({ image: "a", labels: { x: "1", y: "2" } }) }) });
  const node = newNode({ id: "n", description: newNodeDescription({ hostname: "n" }) });
  const placed = newTask({ id: "t", nodeId: "n" });
  for (const [what, spec, expected] of [
    ["another image", { ...base, task: { ...base.task!, container: newContainerSpec({ image: "b" }) } }, true],
    ["other reservations", { ...base, task: { ...base.task!, reservations: newResources({ cpuMillis: 1 }) } }, true],
    ["a forced update", { ...base, task: { ...base.task!, forceUpdate: 1 } }, true],
    ["other replicas", { ...base, replicas: 9 }, false],
    ["service labels", { ...base, labels: { a: "b" } }, false],
    ["the same labels in another order", { ...base, task: { ...base.task!, container: newContainerSpec({ image: "a", labels: { y: "2", x: "1" } }) } }, false],
    ["a constraint that its node meets", { ...base, task: { ...base.task!, placement: newPlacement({ constraints: ["node.hostname==n"] }) } }, false],
    ["a constraint that its node does not meet", { ...base, task: { ...base.task!, placement: newPlacement({ constraints: ["node.hostname==m"] }) } }, true],
  ] as const) it(`${what}: ${expected ? "yes" : "no"}`, () => assert.equal(needsReplacing(placed, base, spec, node), expected));

  it("a task without node is replaced for another placement", () => {
    const spec = { ...base, task: { ...base.task!, placement: newPlacement({ constraints: ["node.hostname==n"] }) } };
    assert.equal(needsReplacing(newTask({ id: "t" }), base, spec, undefined), true);
  });

  for (const [a, b, equal] of [[{ a: [1, { b: null }] }, { a: [1, { b: null }] }, true], [{ a: 1 }, { a: 1, b: undefined }, true], [[1], { 0: 1 }, false], [null, {}, false], [[1, 2], [2, 1], false]] as const) {
    it(`${JSON.stringify(a)} and ${JSON.stringify(b)} are ${equal ? "" : "not "}equal`, () => assert.equal(deepEqual(a, b), equal));
  }
});
