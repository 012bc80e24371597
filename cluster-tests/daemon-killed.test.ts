import assert from "node:assert/strict";
import { story, waitFor } from "./harness.js";

story("kill -9 of one swarmd", { managers: 1, workers: 1 }, (cluster) => {
  it("its containers keep their pids and its logs have no gap", async () => {
    const worker = cluster().workers[0]!;
    await cluster().ok(["service", "create", "--name", "count", "--constraint", "node.role==worker", "busybox", "sh", "-c", "i=0; while true; do echo line $i; i=$((i+1)); sleep 0.05; done"]);
    const [task] = await cluster().waitRunning("count", 1);
    await cluster().hosts.killDaemon(worker);
    await cluster().hosts.start(worker);
    await waitFor("the node is ready again", async () => (await cluster().json<any[]>(["node", "ls"])).every((node) => node.status.state === "READY"), 30_000);
    await waitFor("its logs flow again", async () => (await cluster().ok(["service", "logs", "count"])).split("\n").length > 40, 20_000);

    const [after] = await cluster().running("count");
    assert.deepEqual([after!.id, after!.pid, after!.containerId], [task!.id, task!.pid, task!.containerId]);
    assert.equal((await cluster().hosts.exec(worker, ["kill", "-0", String(task!.pid)])).code, 0);
    const numbers = [...(await cluster().ok(["service", "logs", "count"])).matchAll(/line (\d+)/g)].map((match) => Number(match[1]));
    assert.deepEqual(numbers, numbers.map((_, index) => index), "every line once, in order");
  });

  it("an exit while swarmd was dead is noticed and the task replaced", async () => {
    const worker = cluster().workers[0]!;
    const [task] = await cluster().running("count");
    await cluster().hosts.killDaemon(worker);
    await cluster().hosts.exec(worker, ["kill", "-9", String(task!.pid)]);
    await cluster().hosts.start(worker);
    await waitFor("another task", async () => { const [next] = await cluster().running("count"); return next && next.id !== task!.id; }, 40_000);
    const old = (await cluster().tasks("count")).find((row) => row.id === task!.id);
    assert.equal(old?.state, "FAILED");
    assert.match(old!.err, /137/);
  });
});
