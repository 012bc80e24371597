/** failover: from kill -9 of the leader's host to the next acknowledged write on another manager. Docker Swarm's figure is the published one of `10–13 s`. */
import { openCluster } from "../cluster-tests/harness.js";
import { clientConstructor, call } from "../src/rpc/index.js";
import { credentials } from "@grpc/grpc-js";
import { median, note, report } from "./report.js";

const rounds = Number(process.env["ROUNDS"] ?? 10);
const cluster = await openCluster({ managers: 3, workers: 0, images: false });
const times: number[] = [];
try {
  for (let round = 0; round < rounds; round++) {
    const leader = (await cluster.leader(await someManager()))!;
    const other = cluster.managers.find((host) => host !== leader)!;
    const client = new (clientConstructor("Control"))(`unix://${cluster.hosts.runDirectory(other)}/manager.sock`, credentials.createInsecure());
    const create = (name: string) => call(client, "createService", { spec: { name, replicas: 0, task: { container: { image: "busybox" } } } }, { timeoutMs: 30_000 });
    await create(`before-${round}`);
    const killed = cluster.hosts.kill(leader);
    const start = performance.now();
    await killed;
    const killTook = performance.now() - start;
    for (let i = 0; ; i++) {
      try { await create(`after-${round}-${i}`); break; } catch (error) { if (performance.now() - start > 60_000) throw error; await new Promise((resolve) => setTimeout(resolve, 20)); }
    }
    times.push(performance.now() - start);
    note(`  round ${round + 1}: ${Math.round(times.at(-1)!)} ms (the kill took ${Math.round(killTook)} ms of it)`);
    client.close();
    await cluster.hosts.start(leader);
    for (let i = 0; i < 300; i++) {
      const nodes = await cluster.json<any[]>(["node", "ls"], { host: other });
      if (nodes.every((node) => node.manager?.isReachable)) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
} finally { await cluster.hosts.down(); }
report({ bench: "failover", case: "kill -9 of the leader's host, 3 managers", metric: `kill to next acknowledged write, median of ${rounds}`, value: median(times), unit: "ms", peer: "docker swarm 20.10 (published: 10-13 s)", peerValue: 11_500 });
report({ bench: "failover", case: "kill -9 of the leader's host, 3 managers", metric: `kill to next acknowledged write, worst of ${rounds}`, value: Math.max(...times), unit: "ms" });

async function someManager(): Promise<string> {
  for (let i = 0; i < 100; i++) {
    for (const host of cluster.managers) if (await cluster.leader(host).catch(() => undefined)) return host;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("no manager knows a leader");
}
