import assert from "node:assert/strict";
import { story, waitFor } from "./harness.js";

story("all managers down for a minute", { managers: 3, workers: 2 }, (cluster) => {
  it("containers, names and VIPs keep working on the workers, and the managers come back to the same tasks", async () => {
    await cluster().ok(["network", "create", "front"]);
    const onWorkers = ["--constraint", "node.role==worker", "--network", "front", "--placement-strategy", "spread"];
    await cluster().ok(["service", "create", "--name", "web", "--replicas", "2", ...onWorkers, "skein/demo"]);
    await cluster().ok(["service", "create", "--name", "client", "--replicas", "2", ...onWorkers, "busybox", "sleep", "3600"]);
    const web = await cluster().waitRunning("web", 2);
    const clients = await cluster().waitRunning("client", 2);
    await Promise.all(cluster().managers.map((host) => cluster().hosts.kill(host)));

    const end = Date.now() + 60_000;
    let answers = 0;
    while (Date.now() < end) {
      for (const client of clients) {
        const result = await cluster().inContainer(client, ["timeout", "3", "wget", "-qO-", "http://web:8080/"]);
        assert.equal(result.code, 0, `${client.name} on ${client.node}: ${result.stderr}`);
        answers++;
      }
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
    assert.ok(answers > 20);

    await Promise.all(cluster().managers.map((host) => cluster().hosts.start(host)));
    await waitFor("all nodes ready", async () => (await cluster().json<any[]>(["node", "ls"])).every((node) => node.status.state === "READY"), 60_000);
    const after = await cluster().waitRunning("web", 2, 30_000);
    assert.deepEqual(after.map((task) => [task.id, task.pid]).sort(), web.map((task) => [task.id, task.pid]).sort(), "no task was replaced");
  });
});
