import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../cluster-tests/run.js";

/** Debian's dockerd alone on this machine, in a mount and a network namespace of its own that has a loopback and nothing else. */
export interface DockerEngine {
  readonly socket: string;
  /** The stock client; rejects when it fails. */
  docker(args: readonly string[]): Promise<string>;
  /** As a command line that begins with what enters dockerd's network namespace. */
  inside(command: readonly string[]): string[];
  down(): Promise<void>;
}

export async function openDockerEngine(more: readonly string[] = ["--bridge=none", "--iptables=false"]): Promise<DockerEngine> {
  if ((await run("sh", ["-c", "command -v dockerd"])).code !== 0) throw new Error("dockerd is not installed: apt-get install --no-install-recommends docker.io iptables");
  const directory = mkdtempSync(join(tmpdir(), "skein-dockerd-"));
  const socket = join(directory, "docker.sock");
  const pidFile = join(directory, "docker.pid");
  const child = spawn("unshare", ["--mount", "--net", "--fork", "--kill-child", "sh", "-c", 'ip link set lo up && exec dockerd "$@"', "dockerd",
    "--data-root", join(directory, "data"), "--exec-root", join(directory, "exec"), "--pidfile", pidFile, "-H", `unix://${socket}`, "--exec-opt", "native.cgroupdriver=cgroupfs", ...more], { stdio: "ignore" });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()).once("error", () => resolve()));
  const docker = async (args: readonly string[]) => {
    const result = await run("docker", ["-H", `unix://${socket}`, ...args], { timeoutMs: 600_000 });
    if (result.code !== 0) throw new Error(`docker ${args.join(" ")}: ${result.stderr}`);
    return result.stdout;
  };
  const down = async () => {
    const pid = existsSync(pidFile) ? Number(readFileSync(pidFile, "utf8")) : 0;
    if (pid > 1) try { process.kill(pid, "SIGTERM"); } catch { /* gone already */ }
    const killing = setTimeout(() => child.kill("SIGKILL"), 20_000);
    await exited;
    clearTimeout(killing);
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    for (let i = 0; ; i++) {
      try { await docker(["version"]); break; } catch (error) { if (i > 100 || child.exitCode !== null) throw error; }
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    const pid = readFileSync(pidFile, "utf8").trim();
    return { socket, docker, down, inside: (command) => ["nsenter", `--net=/proc/${pid}/ns/net`, ...command] };
  } catch (error) { await down(); throw error; }
}
