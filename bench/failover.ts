/**
 * failover: how long the loss of a host is felt.
 *
 *   the leader's host is killed   -> the next acknowledged write on another manager
 *   a worker's host is killed     -> its tasks run elsewhere (with defaults, and with a heartbeat of 500 ms)
 *
 *   ROUNDS=10 WORKER_ROUNDS=3 npm run bench -- failover
 *
 * Docker Swarm's figures are published ones: 10-13 s for a leader, 17-19 s for a worker. Time begins with the signal to the host's first process.
 */
import { credentials, type Client } from "@grpc/grpc-js";
import { openCluster, type Cluster } from "../cluster-tests/harness.js";
import { LabHosts } from "../cluster-tests/lab-hosts.js";
import { swarmctl } from "../cluster-tests/run.js";
import { call, clientConstructor } from "../src/rpc/index.js";
import { median, note, report } from "./report.js";

const rounds = Number(process.env["ROUNDS"] ?? 10);
const workerRounds = Number(process.env["WORKER_ROUNDS"] ?? 3);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const elapsedSince = (start: number) => performance.now() - start;

const dial = (cluster: Cluster, manager: string): Client => new (clientConstructor("Control"))(`unix://${cluster.hosts.runDirectory(manager)}/manager.sock`, credentials.createInsecure());

/** Power cut, without the time that a command line takes to start and to clean up. Returns when it happened. */
async function cutPower(cluster: Cluster, host: string): Promise<number> {
  if (!(cluster.hosts instanceof LabHosts)) {
    const start = performance.now();
    await cluster.hosts.kill(host);
    return start;
  }
  const rows = JSON.parse((await swarmctl(["lab", "ls", cluster.hosts.name, "--format", "json"])).stdout) as { host: string; pid: number }[];
  const start = performance.now();
  process.kill(rows.find((row) => row.host === host)!.pid, "SIGKILL");
  return start;
}

async function until<T>(what: string, boundMs: number, look: () => Promise<T | undefined | false>): Promise<T> {
  for (const start = performance.now(); elapsedSince(start) < boundMs;) {
    const found = await look().catch(() => undefined);
    if (found) return found;
    await pause(20);
  }
  throw new Error(`no ${what} within ${boundMs / 1000} s`);
}

/** Boots the host again, and waits until it answers itself, all managers reach each other and all nodes are ready. */
async function bringBack(cluster: Cluster, host: string, at: string): Promise<void> {
  await cluster.hosts.kill(host);
  await cluster.hosts.start(host);
  if (cluster.managers.includes(host)) await until("manager on the booted host", 60_000, async () => (await cluster.ctl(["node", "ls"], { host })).code === 0);
  await until("whole cluster", 60_000, async () => (await cluster.json<any[]>(["node", "ls"], { host: at })).every((node) => node.status?.state === "READY" && (!node.manager || node.manager.isReachable)));
}

async function killLeader(cluster: Cluster, round: number): Promise<number> {
  const leader = await until("leader", 10_000, () => cluster.leader());
  const other = cluster.managers.filter((host) => host !== leader)[round % 2]!;
  const client = dial(cluster, other);
  const create = (name: string) => call(client, "createService", { spec: { name, replicas: 0, task: { container: { image: "busybox" } } } });
  await create(`before-${round}`);
  const start = await cutPower(cluster, leader);
  let attempt = 0;
  await until("acknowledged write", 60_000, async () => { await create(`after-${round}-${attempt++}`); return true; });
  const took = elapsedSince(start);
  client.close();
  await bringBack(cluster, leader, other);
  return took;
}

async function killWorker(cluster: Cluster, round: number): Promise<number> {
  const name = `work-${round}`;
  const replicas = 4;
  await cluster.ok(["service", "create", "--quiet", "--name", name, "--replicas", String(replicas), "--constraint", "node.role==worker", "--placement-strategy", "spread", "busybox", "sleep", "3600"]);
  const victim = cluster.workers[round % 2]!;
  const client = dial(cluster, cluster.managers[0]!);
  const start = await cutPower(cluster, victim);
  await until("replacement of the lost tasks", 120_000, async () => {
    const { tasks } = await call<{ tasks: { task: { status: { state: string }; desiredState: string }; serviceName: string; nodeName: string }[] }>(client, "listTasks", {});
    return tasks.filter((view) => view.serviceName === name && view.nodeName !== victim && view.task.status.state === "RUNNING" && view.task.desiredState === "RUNNING").length === replicas;
  });
  const took = elapsedSince(start);
  client.close();
  await bringBack(cluster, victim, cluster.managers[0]!);
  await cluster.ok(["service", "rm", "--yes", name]);
  return took;
}

async function measure(cluster: Cluster, what: string, count: number, one: (cluster: Cluster, round: number) => Promise<number>): Promise<number[]> {
  const times: number[] = [];
  for (let round = 0; round < count; round++) {
    times.push(await one(cluster, round));
    note(`  ${what}, round ${round + 1}: ${Math.round(times.at(-1)!)} ms`);
  }
  return times;
}

function tell(name: string, metric: string, times: readonly number[], peer: string, peerValue: number): void {
  if (times.length === 0) return;
  report({ bench: "failover", case: name, metric: `${metric}, median of ${times.length}`, value: median(times), unit: "ms", peer, peerValue });
  report({ bench: "failover", case: name, metric: `${metric}, worst of ${times.length}`, value: Math.max(...times), unit: "ms" });
}

const leaderCluster = await openCluster({ managers: 3, workers: 0, images: false });
try {
  tell("kill -9 of the leader's host, 3 managers", "kill to next acknowledged write", await measure(leaderCluster, "leader", rounds, killLeader), "docker swarm 20.10 (published: 10-13 s)", 11_500);
} finally { await leaderCluster.hosts.down(); }

for (const heartbeat of [undefined, "500ms"]) {
  const cluster = await openCluster({ managers: 1, workers: 2, ...(heartbeat ? { heartbeat } : {}) });
  const name = `kill -9 of a worker's host, ${heartbeat ? `heartbeat ${heartbeat}` : "defaults"}`;
  try {
    tell(name, "kill to its tasks running elsewhere", await measure(cluster, name, workerRounds, killWorker), "docker swarm 20.10 (published: 17-19 s, defaults)", 18_000);
  } finally { await cluster.hosts.down(); }
}
