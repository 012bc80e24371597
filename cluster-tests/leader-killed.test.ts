import assert from "node:assert/strict";
import { story, waitFor } from "./harness.js";

story("kill -9 of the leader under load", {}, (cluster) => {
  it("another takes over, and every acknowledged service create is there", async () => {
    const leader = (await cluster().leader())!;
    const others = cluster().managers.filter((host) => host !== leader);
    const acknowledged: string[] = [];
    let isWriting = true;
    const writer = async (worker: number) => {
      for (let i = 0; isWriting && i < 500; i++) {
        const name = `load-${worker}-${i}`;
        const result = await cluster().ctl(["service", "create", "--detach", "--replicas", "0", "--name", name, "busybox"], { host: others[worker % others.length]!, timeoutMs: 20_000 });
        if (result.code === 0) acknowledged.push(name);
      }
    };
    const writers = [writer(0), writer(1)];
    await waitFor("the first acknowledged writes", () => acknowledged.length >= 4);
    await cluster().hosts.kill(leader);
    const before = acknowledged.length;
    await waitFor("writes after the kill", () => acknowledged.length >= before + 4, 30_000);
    isWriting = false;
    await Promise.all(writers);

    const next = await cluster().leader(others[0]);
    assert.ok(next && next !== leader, `leader is now ${next}`);
    const names = new Set((await cluster().json<any[]>(["service", "ls"], { host: others[0]! })).map((row) => (row.service ?? row).spec.name));
    assert.deepEqual(acknowledged.filter((name) => !names.has(name)), []);
  });

  it("the killed manager comes back and catches up", async () => {
    const dead = (await cluster().json<any[]>(["node", "ls"], { host: cluster().workers.length ? (await alive(cluster()))! : cluster().managers[1]! })).find((node) => node.status?.state === "DOWN" || node.manager?.isReachable === false);
    const host = dead.description.hostname as string;
    await cluster().hosts.start(host);
    const count = (await cluster().json<any[]>(["service", "ls"], { host: cluster().managers.find((m) => m !== host)! })).length;
    await waitFor("the same services seen from it", async () => (await cluster().json<any[]>(["service", "ls"], { host })).length === count, 30_000);
  });
});

async function alive(cluster: { managers: readonly string[]; leader(host?: string): Promise<string | undefined> }): Promise<string | undefined> {
  for (const host of cluster.managers) if (await cluster.leader(host).catch(() => undefined)) return host;
  return undefined;
}
