import assert from "node:assert/strict";
import { story, waitFor, type Cluster } from "./harness.js";

const service = (name: string, ...mount: string[]) => ["service", "create", "--detach", "--name", name, ...mount.flatMap((fields) => ["--mount", `type=cluster,${fields}`]), "--stop-grace-period", "1s", "busybox", "sleep", "3600"];
const reasonOf = async (cluster: Cluster, name: string) => (await cluster.tasks(name)).find((task) => task.desired !== "SHUTDOWN" && task.node === "")?.err ?? "";

story("volumes of the cluster", { managers: 1, workers: 2 }, (cluster) => {
  it("a task whose node is drained waits for its data, and meets its file again", async () => {
    await cluster().ok(["volume", "create", "--cluster", "data"]);
    await cluster().ok(service("db", "source=data,target=/data"));
    const [first] = await cluster().waitRunning("db", 1);
    assert.equal((await cluster().inContainer(first!, ["sh", "-c", "echo kept > /data/file"])).code, 0);
    const [shown] = await cluster().json<any[]>(["volume", "inspect", "--cluster", "data"]);
    assert.deepEqual([shown.use.nodeName, shown.use.writers], [first!.node, 1]);

    // Its container dies: the next one is on the same node and has the file.
    await cluster().hosts.exec(first!.node, ["kill", "-9", String(first!.pid)]);
    await waitFor("another task with the file", async () => (await cluster().running("db")).some((task) => task.id !== first!.id), 30_000);
    const [second] = await cluster().waitRunning("db", 1);
    assert.equal((await cluster().inContainer(second!, ["cat", "/data/file"])).stdout, "kept\n");

    await cluster().ok(["node", "update", "--availability", "drain", first!.node]);
    await waitFor("the reason on the task that waits", async () => (await reasonOf(cluster(), "db")).includes(`volume data has its data on node ${first!.node}, which is drained`), 30_000);
    await waitFor("nothing runs", async () => (await cluster().running("db")).length === 0);
    await cluster().ok(["node", "update", "--availability", "active", first!.node]);
    const [third] = await cluster().waitRunning("db", 1);
    assert.equal(third!.node, first!.node);
    assert.equal((await cluster().inContainer(third!, ["cat", "/data/file"])).stdout, "kept\n");
  });

  it("a second service waits while the first has the volume, and gets it after", async () => {
    await cluster().ok(service("copy", "source=data,target=/data"));
    await waitFor("the reason", async () => (await reasonOf(cluster(), "copy")).includes("volume data is not shared, and a task on"), 30_000);
    const refused = await cluster().ctl(["volume", "rm", "--cluster", "--yes", "data"]);
    assert.match(refused.stderr, /it is in use by service "copy", service "db", task db\.1 on/);
    await cluster().ok(["service", "rm", "db", "--yes"]);
    const [task] = await cluster().waitRunning("copy", 1);
    assert.equal((await cluster().inContainer(task!, ["cat", "/data/file"])).stdout, "kept\n");
  });

  it("a volume that is drained is let go of, and waited for", async () => {
    await cluster().ok(["volume", "update", "--availability", "drain", "data"]);
    await waitFor("nobody has it", async () => (await cluster().running("copy")).length === 0 && (await reasonOf(cluster(), "copy")).includes("volume data is drained"), 30_000);
    await cluster().ok(["volume", "update", "--availability", "active", "data"]);
    await cluster().waitRunning("copy", 1);
  });

  it("replicas get a volume of a group each, in its topology", async () => {
    const [w1, w2] = cluster().workers;
    await cluster().ok(["node", "update", "--label-add", "disk=ssd", w1!]);
    await cluster().ok(["node", "update", "--label-add", "disk=ssd", w2!]);
    for (const name of ["pg-1", "pg-2"]) await cluster().ok(["volume", "create", "--cluster", "--group", "pg", "--topology", "node.labels.disk==ssd", name]);
    await cluster().ok([...service("pg", "source=group:pg,target=/data").slice(0, 3), "--replicas", "2", ...service("pg", "source=group:pg,target=/data").slice(3)]);
    const tasks = await cluster().waitRunning("pg", 2);
    assert.ok(tasks.every(({ node }) => [w1, w2].includes(node)));
    const volumes = await cluster().json<any[]>(["volume", "ls", "--cluster", "--filter", "group=pg"]);
    assert.deepEqual(volumes.map(({ use }) => use.writers), [1, 1]);
  });
});
