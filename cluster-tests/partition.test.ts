import assert from "node:assert/strict";
import { story, waitFor } from "./harness.js";

story("a partition of two hosts from three", {}, (cluster) => {
  it("the minority reads what may be stale and writes nothing, the majority goes on, healing loses nothing", async () => {
    await cluster().ok(["service", "create", "--detach", "--replicas", "0", "--name", "before", "busybox"]);
    const leader = (await cluster().leader())!;
    const [m2, m3] = cluster().managers.filter((host) => host !== leader);
    const minority = [leader, cluster().workers[0]!], majority = [m2!, m3!, cluster().workers[1]!];
    await cluster().hosts.partition([minority, majority]);

    await waitFor("a leader in the majority", async () => { const next = await cluster().leader(m2!); return next && next !== leader; }, 20_000);
    await cluster().ok(["service", "create", "--detach", "--replicas", "0", "--name", "during", "busybox"], { host: m2! });

    const refused = await cluster().ctl(["service", "create", "--detach", "--replicas", "0", "--name", "lost", "busybox"], { host: leader, timeoutMs: 40_000 });
    assert.notEqual(refused.code, 0, "the minority took a write");
    assert.match(refused.stderr, /leader|quorum/);
    const read = await cluster().ctl(["service", "ls", "--format", "json"], { host: leader });
    assert.equal(read.code, 0, read.stderr);
    assert.match(read.stderr, /stale|out of date/);
    assert.deepEqual(JSON.parse(read.stdout).map((row: any) => (row.service ?? row).spec.name), ["before"]);

    await cluster().hosts.heal();
    await waitFor("the old leader sees both services", async () => {
      const names = (await cluster().json<any[]>(["service", "ls"], { host: leader })).map((row) => (row.service ?? row).spec.name).sort();
      return names.join() === "before,during";
    }, 30_000);
    await waitFor("all nodes ready", async () => (await cluster().json<any[]>(["node", "ls"])).every((node) => node.status.state === "READY"), 40_000);
  });
});
