import assert from "node:assert/strict";
import { get } from "node:http";
import { story, waitFor, type Cluster } from "./harness.js";

/** A client that asks every 10 ms, each time by a connection of its own. */
class Client {
  readonly failures: string[] = [];
  answers = 0;
  readonly #timer: NodeJS.Timeout;
  #open = 0;

  constructor(url: string) {
    this.#timer = setInterval(() => {
      this.#open++;
      const request = get(url, { agent: false, timeout: 5_000 }, (response) => {
        if (response.statusCode !== 200) this.failures.push(`status ${response.statusCode}`);
        response.resume().on("end", () => { this.answers++; }).on("error", (error) => this.failures.push(error.message));
      });
      request.on("timeout", () => request.destroy(new Error("no answer for 5 s")));
      request.on("error", (error) => this.failures.push(error.message)).on("close", () => { this.#open--; });
    }, 10);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await waitFor("the last answers", () => this.#open === 0, 10_000);
  }
}

const counts = async (cluster: Cluster, service: string, replicas: number) => {
  const tasks = await cluster.waitRunning(service, replicas);
  return new Map(cluster.all.map((host) => [host, tasks.filter((task) => task.node === host).length]));
};

story("rebalancing", { managers: 1, workers: 2 }, (cluster) => {
  it("frees a node and spreads again while a client that asks all the time misses nothing", async () => {
    const [w1, w2] = cluster().workers;
    await cluster().ok(["service", "create", "--name", "web", "--replicas", "6", "--placement-strategy", "spread", "--publish", "8080:8080", "--reserve-memory", "16m", "skein/demo"]);
    await cluster().waitRunning("web", 6);
    const host = cluster().managers[0]!;
    await waitFor("an answer", () => cluster().http(host, 8080));
    const client = new Client(`http://${cluster().hosts.address(host)}:8080/`);
    try {
      const plan = await cluster().json(["rebalance", "--strategy", "free", w2!, "--dry-run"]);
      assert.deepEqual([plan.moves.length, plan.isApplied], [2, false]);
      await cluster().ok(["rebalance", "--strategy", "free", w2!, "--apply"], { timeoutMs: 90_000 });
      await waitFor(`nothing on ${w2}`, async () => (await counts(cluster(), "web", 6)).get(w2!) === 0);
      await cluster().ok(["rebalance", "--strategy", "spread", "--apply"], { timeoutMs: 90_000 });
      await waitFor("two tasks on each", async () => [...(await counts(cluster(), "web", 6)).values()].every((count) => count === 2));
      const views = await cluster().json<any[]>(["service", "ps", "web"]);
      await waitFor("predecessors have ended", async () => (await cluster().json<any[]>(["service", "ps", "web"])).every((view) => view.task.desiredState === "RUNNING" || view.task.status.state === "SHUTDOWN"), 30_000);
      assert.equal(views.filter((view) => /^moved to node/.test(view.task.stopReason)).length, 4);
    } finally { await client.stop(); }
    assert.ok(client.answers > 100, `${client.answers} answers`);
    assert.deepEqual(client.failures, []);
    console.log(`      ${client.answers} answers, no failure`);
    assert.match(await cluster().ok(["rebalance", "--strategy", "spread", "--dry-run"]), /Nothing to move/);
    assert.ok((await cluster().tasks("web")).some((task) => task.node === w1));
  });

  it("a node that joins gets tasks by itself when that is asked for, and those that must not move stay", async () => {
    const [, w2] = cluster().workers, [m1] = cluster().managers;
    await cluster().ok(["cluster", "update", "--auto-rebalance", "--placement-strategy", "spread"]);
    await cluster().ok(["leave", "--yes"], { host: w2! });
    await waitFor("it is down", async () => (await cluster().json<any[]>(["node", "ls"])).find((row) => row.description?.hostname === w2)?.status.state === "DOWN", 30_000);
    await cluster().ok(["node", "rm", "--yes", w2!]);
    await cluster().ok(["service", "create", "--name", "pinned", "--replicas", "4", "--no-move", "--placement-strategy", "spread", "busybox", "sleep", "3600"]);
    const before = (await cluster().waitRunning("pinned", 4)).map((task) => task.id).sort();
    await cluster().waitRunning("web", 6);
    const token = (await cluster().ok(["join-token", "worker", "-q"])).trim();
    await cluster().ok(["join", "--token", token, cluster().hosts.address(m1!)], { host: w2! });
    await waitFor("tasks of web on it", async () => ((await counts(cluster(), "web", 6)).get(w2!) ?? 0) === 2, 60_000);
    assert.deepEqual((await cluster().running("pinned")).map((task) => task.id).sort(), before);
  });
});
