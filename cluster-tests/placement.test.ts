import assert from "node:assert/strict";
import { story, waitFor } from "./harness.js";

story("placement", { managers: 1, workers: 2 }, (cluster) => {
  it("packs by default, on no fewer than two nodes, and spreads when asked", async () => {
    await cluster().ok(["service", "create", "--name", "packed", "--replicas", "4", "--reserve-memory", "64m", "busybox", "sleep", "3600"]);
    const packed = await cluster().waitRunning("packed", 4);
    assert.equal(new Set(packed.map((task) => task.node)).size, 2);
    await cluster().ok(["service", "create", "--name", "even", "--replicas", "3", "--reserve-memory", "64m", "--placement-strategy", "spread", "busybox", "sleep", "3600"]);
    const even = await cluster().waitRunning("even", 3);
    assert.equal(new Set(even.map((task) => task.node)).size, 3);
  });

  it("spreads over a label", async () => {
    const [w1, w2] = cluster().workers, [m1] = cluster().managers;
    await cluster().ok(["node", "update", "--label-add", "rack=a", w1!]);
    await cluster().ok(["node", "update", "--label-add", "rack=a", w2!]);
    await cluster().ok(["node", "update", "--label-add", "rack=b", m1!]);
    await cluster().ok(["service", "create", "--name", "racks", "--replicas", "4", "--placement-pref", "spread=node.labels.rack", "busybox", "sleep", "3600"]);
    const tasks = await cluster().waitRunning("racks", 4);
    assert.equal(tasks.filter((task) => task.node === m1).length, 2);
  });

  it("says why a task fits nowhere, and starts it within a second of room appearing", async () => {
    await cluster().ok(["service", "create", "--detach", "--name", "picky", "--constraint", "node.labels.disk==ssd", "--reserve-memory", "16m", "busybox", "sleep", "3600"]);
    await waitFor("the reason on the task", async () => /node\.labels\.disk/.test((await cluster().tasks("picky"))[0]?.err ?? ""));
    const [task] = await cluster().tasks("picky");
    const view = (await cluster().json<any[]>(["task", "inspect", task!.id]))[0];
    assert.equal((view.task.task ?? view.task).status.pending[0].nodes, 3);
    await cluster().ok(["node", "update", "--label-add", "disk=ssd", cluster().workers[1]!]);
    const start = Date.now();
    await waitFor("it is assigned", async () => (await cluster().tasks("picky"))[0]!.node === cluster().workers[1], 3_000);
    console.log(`      seen assigned ${Date.now() - start} ms after the label`);
  });

  it("names the amount of memory missing", async () => {
    await cluster().ok(["service", "create", "--detach", "--name", "huge", "--reserve-memory", "900g", "busybox", "sleep", "3600"]);
    await waitFor("the reason", async () => /memory/.test((await cluster().tasks("huge"))[0]?.err ?? ""));
    assert.match((await cluster().tasks("huge"))[0]!.err, /900(\.0)? GiB/);
  });

  it("drains a node and refuses nothing else", async () => {
    const [w1] = cluster().workers;
    await cluster().ok(["node", "update", "--availability", "drain", w1!]);
    await waitFor("no task on it", async () => {
      const rows = await cluster().json<any[]>(["node", "ps", w1!]);
      return rows.every((row) => row.task.desiredState !== "RUNNING");
    }, 30_000);
    await cluster().waitRunning("even", 3);
  });
});
