import assert from "node:assert/strict";
import { story, waitFor } from "./harness.js";

story("two of three managers are lost for good", { managers: 3, workers: 1 }, (cluster) => {
  it("the one that is left recovers the cluster, tasks go on, and the others join again when they come back after all", async () => {
    await cluster().ok(["service", "create", "--name", "web", "--replicas", "2", "--constraint", "node.role==worker", "busybox", "sleep", "3600"]);
    const before = await cluster().waitRunning("web", 2);
    const [left, ...lost] = [...cluster().managers].reverse() as [string, ...string[]];
    const refused = await cluster().ctl(["cluster", "recover", "--yes"], { host: left });
    assert.notEqual(refused.code, 0, "not while a leader answers");
    assert.match(refused.stderr, /a leader answers/);

    for (const host of lost) await cluster().hosts.kill(host);
    await waitFor("writes are refused", async () => (await cluster().ctl(["service", "scale", "--detach", "web=3"], { host: left, timeoutMs: 20_000 })).code !== 0, 60_000);
    await cluster().ok(["cluster", "recover", "--yes"], { host: left, timeoutMs: 120_000 });
    await cluster().ok(["service", "create", "--detach", "--name", "after", "--replicas", "1", "--constraint", "node.role==worker", "busybox", "sleep", "3600"], { host: left });
    await waitFor("the new service runs", async () => (await cluster().json<any[]>(["service", "ps", "after"], { host: left })).some((row) => (row.task ?? row).status?.state === "RUNNING"), 60_000);
    assert.match(await cluster().ok(["cluster", "metrics"], { host: left }), /^raft_members 1$/m);

    for (const host of lost) await cluster().hosts.start(host);
    await waitFor("three managers again", async () => (await cluster().json<any[]>(["node", "ls"], { host: left })).filter((node) => node.manager?.isReachable).length === 3, 120_000);
    const after = await cluster().waitRunning("web", 2, 60_000);
    assert.deepEqual(after.map((task) => task.id).sort(), before.map((task) => task.id).sort(), "no task was replaced");
    const followers = (await cluster().json<any[]>(["cluster", "raft"], { host: left })).filter((row) => !row.isLeader);
    assert.deepEqual(followers.map((row) => [row.replication, row.isReachable]), [["replicate", true], ["replicate", true]]);
    assert.match(await cluster().ok(["cluster", "metrics"], { host: left }), /^raft_peer_lag_entries\{node="/m);
  });
});
