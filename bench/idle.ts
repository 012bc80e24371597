/** idle: memory and processor time of the daemons of a cluster on which nothing happens. Aim: under 150 MB and 1 % of a core each. */
import { readFileSync, readdirSync } from "node:fs";
import { openCluster } from "../cluster-tests/harness.js";
import { note, report } from "./report.js";

const seconds = Number(process.env["SECONDS_IDLE"] ?? 30);
const cluster = await openCluster({ managers: 3, workers: 2, images: false });
try {
  note("settling for 15 s");
  await new Promise((resolve) => setTimeout(resolve, 15_000));
  const before = processes();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
  const after = processes();
  const leader = await cluster.leader();
  for (const [host, role] of [[leader!, "leader"], [cluster.managers.find((m) => m !== leader)!, "follower"], [cluster.workers[0]!, "worker"]] as const) {
    const own = [...after.values()].filter((p) => p.host === host);
    const cpu = own.reduce((sum, p) => sum + p.cpuSeconds - (before.get(p.pid)?.cpuSeconds ?? 0), 0);
    for (const p of own) report({ bench: "idle", case: `${role}, ${p.kind} process`, metric: "RSS", value: p.rssMb, unit: "MB", ...(p.kind === "manager" ? { peer: "dockerd + containerd (published)", peerValue: 134 } : {}) });
    report({ bench: "idle", case: role, metric: "processor", value: (100 * cpu) / seconds, unit: "% of a core", peer: "dockerd, manager (published)", peerValue: 1 });
  }
} finally { await cluster.hosts.down(); }

interface Process { readonly pid: number; readonly host: string; readonly kind: string; readonly rssMb: number; readonly cpuSeconds: number }

/** The swarmd processes of this cluster, by pid. */
function processes(): Map<number, Process> {
  const found = new Map<number, Process>();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number)) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      const kind = command.some((word) => word.endsWith("manager-process.js")) ? "manager" : command.some((word) => word.endsWith("bin/swarmd") || word.endsWith("daemon/main.js")) ? "node" : undefined;
      if (!kind || !command[0]!.includes("node")) continue;
      const environment = `${command.join(" ")} ${readFileSync(`/proc/${pid}/environ`, "utf8")} ${readFileSync(`/proc/${pid}/cgroup`, "utf8")}`;
      const host = cluster.all.find((name) => environment.includes(`${cluster.hosts.runDirectory(name)}`) || new RegExp(`skein-lab-[^/]*/${name}(/|\\s|$)`, "m").test(environment));
      if (!host) continue;
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
      const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
      found.set(pid, { pid, host, kind, rssMb: rss / 1024, cpuSeconds: (Number(stat[11]) + Number(stat[12])) / 100 });
    } catch { /* it ended while we looked */ }
  }
  return found;
}
