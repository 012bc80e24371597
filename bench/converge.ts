/**
 * converge: `service create` of N replicas until all run, on 3 managers and 2 workers on this machine.
 *
 *   npm run bench -- converge                 # N = 1, 10, 50
 *   npm run bench -- converge --peer docker   # and the same on Docker Swarm (Debian's docker.io must be installed), on the same kind of hosts
 */
import { openCluster, type Cluster } from "../cluster-tests/harness.js";
import { openDockerSwarm, type DockerSwarm } from "./docker-swarm.js";
import { median, note, report } from "./report.js";

const sizes = [1, 10, 50];
const rounds = 3;

async function skein(cluster: Cluster, replicas: number): Promise<number> {
  const name = `c${replicas}`;
  const start = performance.now();
  await cluster.ok(["service", "create", "--quiet", "--stable", "0", "--name", name, "--replicas", String(replicas), "--placement-strategy", "spread", "busybox", "sleep", "3600"], { timeoutMs: 180_000 });
  const elapsed = performance.now() - start;
  const running = (await cluster.running(name)).length;
  if (running !== replicas) throw new Error(`${running} of ${replicas} tasks run`);
  await cluster.ok(["service", "rm", "--yes", name]);
  await untilEmpty(async () => (await Promise.all(cluster.all.map((host) => cluster.hosts.exec(host, ["sh", "-c", "ls /run/netns 2>/dev/null | wc -l"])))).every((r) => r.stdout.trim() === "0"));
  return elapsed;
}

async function docker(swarm: DockerSwarm, replicas: number): Promise<number> {
  const name = `c${replicas}`;
  const start = performance.now();
  await swarm.docker(["service", "create", "--quiet", "--detach=false", "--name", name, "--replicas", String(replicas), "busybox", "sleep", "3600"]);
  // The CLI goes on watching for 5 s after all run: what counts is when the last task said that it runs.
  const ids = (await swarm.docker(["service", "ps", "-q", "--no-trunc", name])).trim().split("\n");
  const times = JSON.parse(await swarm.docker(["inspect", ...ids])) as { Status: { Timestamp: string; State: string } }[];
  const created = Date.parse(JSON.parse(await swarm.docker(["service", "inspect", name]))[0].CreatedAt);
  const elapsed = Math.max(...times.map((task) => Date.parse(task.Status.Timestamp))) - created;
  note(`  docker's client returned after ${Math.round(performance.now() - start)} ms`);
  await swarm.docker(["service", "rm", name]);
  await untilEmpty(async () => (await swarm.containers()) === 0);
  return elapsed;
}

async function untilEmpty(isEmpty: () => Promise<boolean>) {
  for (let i = 0; i < 240; i++) {
    if (await isEmpty()) return;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  throw new Error("containers of the last round are still there after 60 s");
}

async function measure<T>(system: T, one: (system: T, replicas: number) => Promise<number>): Promise<Map<number, number>> {
  const results = new Map<number, number>();
  for (const replicas of sizes) {
    const times: number[] = [];
    for (let i = 0; i < rounds; i++) times.push(await one(system, replicas));
    note(`  ${replicas} replicas: ${times.map(Math.round).join(", ")} ms`);
    results.set(replicas, median(times));
  }
  return results;
}

note("skein: bringing up 3 managers and 2 workers");
const cluster = await openCluster();
let ours: Map<number, number>;
try { ours = await measure(cluster, skein); } finally { await cluster.hosts.down(); }

let peer: Map<number, number> | undefined;
if (process.argv.includes("--peer") && process.argv[process.argv.indexOf("--peer") + 1] === "docker") {
  note("docker swarm: bringing up 3 managers and 2 workers");
  const swarm = await openDockerSwarm({ managers: 3, workers: 2 });
  try { peer = await measure(swarm, docker); } finally { await swarm.down(); }
}
for (const [replicas, value] of ours) {
  report({ bench: "converge", case: `${replicas} replicas`, metric: "create to all running, median of 3", value, unit: "ms", ...(peer ? { peer: "docker swarm", peerValue: peer.get(replicas)! } : {}) });
}
