import { mkdirSync, rmSync } from "node:fs";
import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { imagePath } from "../cluster-tests/harness.js";
import { LabHosts } from "../cluster-tests/lab-hosts.js";
import { run } from "../cluster-tests/run.js";

/** Docker Swarm on the same kind of hosts: a lab whose swarmd processes are stopped, and a dockerd in each host's namespaces. */
export interface DockerSwarm {
  /** The stock client at the first manager; rejects when it fails. */
  docker(args: readonly string[]): Promise<string>;
  /** Containers on all hosts. */
  containers(): Promise<number>;
  readonly hosts: LabHosts;
  down(): Promise<void>;
}

export async function openDockerSwarm(options: { managers: number; workers: number }): Promise<DockerSwarm> {
  if ((await run("sh", ["-c", "command -v dockerd"])).code !== 0) throw new Error("dockerd is not installed: apt-get install --no-install-recommends docker.io iptables");
  const hosts = await LabHosts.open({ name: "dockerpeer", ...options });
  const all = [...hosts.managers, ...hosts.workers];
  const children: ChildProcess[] = [];
  const directory = (host: string) => join("/var/lib/skein-lab/dockerpeer", host, "docker");
  const at = (host: string, args: readonly string[], timeoutMs = 180_000) => run("docker", ["-H", `unix://${directory(host)}/docker.sock`, ...args], { timeoutMs });
  const must = async (host: string, args: readonly string[]) => {
    const result = await at(host, args);
    if (result.code !== 0) throw new Error(`docker ${args.join(" ")} on ${host}: ${result.stderr}`);
    return result.stdout;
  };
  const down = async () => {
    for (const host of all) await hosts.exec(host, ["sh", "-c", `kill $(cat ${directory(host)}/docker.pid)`]).catch(() => {});
    for (const child of children) if (child.exitCode === null) await new Promise((resolve) => { child.once("exit", resolve); setTimeout(() => { child.kill("SIGKILL"); resolve(undefined); }, 15_000); });
    await hosts.down();
    for (const host of all) rmSync(directory(host), { recursive: true, force: true });
  };
  try {
    for (const host of all) {
      await hosts.killDaemon(host);
      mkdirSync(directory(host), { recursive: true });
      children.push(spawn("bin/swarmctl", ["lab", "exec", "--name", "dockerpeer", host, "--", "dockerd",
        "--data-root", `${directory(host)}/data`, "--exec-root", `${directory(host)}/exec`, "--pidfile", `${directory(host)}/docker.pid`,
        "-H", `unix://${directory(host)}/docker.sock`, "--cgroup-parent", `/skein-lab-dockerpeer/${host}/docker`, "--exec-opt", "native.cgroupdriver=cgroupfs"], { stdio: "ignore" }));
    }
    for (const host of all) {
      for (let i = 0; (await at(host, ["version"])).code !== 0; i++) {
        if (i > 100) throw new Error(`dockerd on ${host} did not answer within 30 s`);
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
      await must(host, ["load", "-i", await imagePath("busybox")]);
    }
    const first = hosts.managers[0]!;
    await must(first, ["swarm", "init", "--advertise-addr", hosts.address(first)]);
    for (const host of all.slice(1)) {
      const token = (await must(first, ["swarm", "join-token", "-q", hosts.managers.includes(host) ? "manager" : "worker"])).trim();
      await must(host, ["swarm", "join", "--advertise-addr", hosts.address(host), "--token", token, `${hosts.address(first)}:2377`]);
    }
    return {
      hosts,
      docker: (args) => must(first, args),
      containers: async () => (await Promise.all(all.map(async (host) => (await must(host, ["ps", "-aq"])).split("\n").filter(Boolean).length))).reduce((a, b) => a + b, 0),
      down,
    };
  } catch (error) { await down(); throw error; }
}
