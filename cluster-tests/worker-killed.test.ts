import assert from "node:assert/strict";
import { story, waitFor, type Cluster } from "./harness.js";

async function killAndMeasure(cluster: Cluster, boundMs: number): Promise<void> {
  await cluster.ok(["service", "create", "--name", "web", "--replicas", "4", "--constraint", "node.role==worker", "--placement-strategy", "spread", "busybox", "sleep", "3600"]);
  const before = await cluster.waitRunning("web", 4);
  const victim = cluster.workers[0]!;
  assert.equal(before.filter((task) => task.node === victim).length, 2);
  await cluster.hosts.kill(victim);
  const start = Date.now();
  await waitFor("four tasks on the other worker", async () => (await cluster.running("web")).filter((task) => task.node === cluster.workers[1]).length === 4, boundMs);
  console.log(`      tasks elsewhere after ${Date.now() - start} ms`);

  await cluster.hosts.start(victim);
  await waitFor("the worker is ready again, with no container of the old tasks", async () => {
    const node = (await cluster.json<any[]>(["node", "ls"])).find((row) => row.description?.hostname === victim);
    const left = await cluster.hosts.exec(victim, ["sh", "-c", "ls /run/netns 2>/dev/null | wc -l"]);
    return node?.status?.state === "READY" && left.stdout.trim() === "0";
  }, 40_000);
  assert.equal((await cluster.running("web")).length, 4);
}

// The bounds are those of a machine that does nothing else, doubled; `npm run bench -- failover` measures.
story("kill -9 of a worker host, with defaults", {}, (cluster) => {
  it("its tasks run elsewhere, and it comes back empty", () => killAndMeasure(cluster(), 40_000));
});

story("kill -9 of a worker host, with a heartbeat of 500 ms", { heartbeat: "500ms" }, (cluster) => {
  it("its tasks run elsewhere sooner", () => killAndMeasure(cluster(), 10_000));
});
