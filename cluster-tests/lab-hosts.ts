import { spawnSync } from "node:child_process";
import { join } from "node:path";
import type { Hosts } from "./hosts.js";
import { home, root, run, swarmctl, type Result, type RunOptions } from "./run.js";

/** Labs that this process has up. A run that is interrupted takes them down before it ends. */
const openLabs = new Set<string>();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    for (const name of openLabs) spawnSync(join(root, "bin/swarmctl"), ["lab", "down", "--name", name, "--yes"], { stdio: "ignore", env: { ...process.env, HOME: home } });
    process.exit(130);
  });
}

/** Hosts as network namespaces on this machine: `swarmctl lab`. */
export class LabHosts implements Hosts {
  private constructor(readonly name: string, readonly managers: readonly string[], readonly workers: readonly string[], private readonly addresses: ReadonlyMap<string, string>) {}

  static async open(options: { name: string; managers: number; workers: number; heartbeat?: string; hostFlags?: HostFlags; swarmdArgs?: readonly string[] }): Promise<LabHosts> {
    const args = ["lab", "up", "--name", options.name, "--managers", String(options.managers), "--workers", String(options.workers)];
    if (options.heartbeat) args.push("--heartbeat", options.heartbeat);
    args.push(...hostFlagArgs(options.hostFlags ?? {}));
    if (options.swarmdArgs) args.push("--", ...options.swarmdArgs);
    openLabs.add(options.name);
    const up = await swarmctl(args, { timeoutMs: 120_000 });
    if (up.code !== 0) {
      await swarmctl(["lab", "down", "--name", options.name, "--yes"]);
      throw new Error(`swarmctl ${args.join(" ")}: exit code ${up.code}: ${up.stderr}\n${up.stdout}`);
    }
    const rows = JSON.parse((await swarmctl(["lab", "ls", options.name, "--format", "json"])).stdout) as { host: string; role: string; address: string }[];
    const names = (role: string) => rows.filter((row) => row.role === role).map((row) => row.host);
    return new LabHosts(options.name, names("manager"), names("worker"), new Map(rows.map((row) => [row.host, row.address])));
  }

  address(host: string) { return this.addresses.get(host)!; }
  runDirectory(host: string) { return join("/run/skein-lab", this.name, host); }
  stateDirectory(host: string) { return join("/var/lib/skein-lab", this.name, host, "state"); }
  exec(host: string, command: readonly string[], options: RunOptions = {}): Promise<Result> {
    return swarmctl(["lab", "exec", "--name", this.name, host, "--", ...command], options);
  }
  async kill(host: string) { await this.#lab("kill", host); }
  async killDaemon(host: string) { await this.#lab("kill", host, "--daemon"); }
  async stop(host: string) { await this.#lab("stop", host); }
  async start(host: string) { await this.#lab("start", host); }
  /** Ends the host's daemon and starts it with these flags of its own; its containers go on. */
  async restartDaemon(host: string, flags: readonly string[]) {
    await this.#lab("stop", "--daemon", host);
    await this.#lab("start", host, ...hostFlagArgs({ [host]: flags.length > 0 ? flags : [""] }));
  }
  async pause(host: string) { await this.#lab("pause", host); }
  async resume(host: string) { await this.#lab("resume", host); }
  async partition(groups: readonly (readonly string[])[]) { await this.#lab("partition", ...groups.map((group) => group.join(",")).join(" / ").split(" ")); }
  async heal() { await this.#lab("heal"); }
  async down() {
    await this.#lab("down", "--yes");
    openLabs.delete(this.name);
  }

  async #lab(verb: string, ...args: string[]) {
    const result = await swarmctl(["lab", verb, "--name", this.name, ...args], { timeoutMs: 90_000 });
    if (result.code !== 0) throw new Error(`swarmctl lab ${verb} ${args.join(" ")}: exit code ${result.code}: ${result.stderr}`);
  }
}

/** Flags of swarmd by host. */
export type HostFlags = Readonly<Record<string, readonly string[]>>;

const hostFlagArgs = (flags: HostFlags) => Object.entries(flags).flatMap(([host, own]) => own.flatMap((flag) => ["--host-flag", `${host}=${flag}`]));

/** What a lab may leave on this machine, by name; all empty after `lab down`. */
export async function traces(name: string): Promise<string[]> {
  const look = [
    ["sh", "-c", `ip -o link | grep -F skl-${name} || true`],
    ["sh", "-c", `grep -F skein-lab/${name}/ /proc/self/mounts || true`],
    ["sh", "-c", `find /sys/fs/cgroup -maxdepth 3 -type d -name 'skein-lab-${name}*' 2>/dev/null || true`],
    ["sh", "-c", `ls -d /var/lib/skein-lab/${name} /run/skein-lab/${name} 2>/dev/null || true`],
    ["sh", "-c", `nft list tables 2>/dev/null | grep -F ${name} || true`],
    ["sh", "-c", `grep -ls 'skein-lab/${name}[/]' /proc/[0-9]*/cmdline || true`],
  ];
  const found = await Promise.all(look.map(([command, ...args]) => run(command!, args)));
  return found.flatMap((result) => result.stdout.split("\n").filter(Boolean)).filter((line) => !line.includes("/proc/self"));
}
