import { story, waitFor } from "./harness.js";

story("a full restart of the cluster", { managers: 3, workers: 1 }, (cluster) => {
  it("restores everything", async () => {
    await cluster().ok(["network", "create", "front"]);
    await cluster().ok(["service", "create", "--name", "web", "--replicas", "4", "--network", "front", "--publish", "8080:8080", "skein/demo"]);
    await cluster().waitRunning("web", 4);
    await Promise.all(cluster().all.map((host) => cluster().hosts.kill(host)));
    await Promise.all(cluster().all.map((host) => cluster().hosts.start(host)));
    await waitFor("all nodes ready", async () => (await cluster().json<any[]>(["node", "ls"])).every((node) => node.status.state === "READY"), 60_000);
    await cluster().waitRunning("web", 4, 60_000);
    for (const host of cluster().all) await waitFor(`an answer at ${host}:8080`, () => cluster().http(host, 8080), 30_000);
  });
});
