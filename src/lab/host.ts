import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SwarmError, sleep, systemClock } from "../lib/index.js";
import { allPids, hostPids, isFrozen, prepareCgroups, removeCgroups, setFrozen } from "./cgroups.js";
import { plugHost } from "./network.js";
import { gatewayOf, hostPaths, type Lab, type LabHost } from "./state.js";
import { searchPath } from "./tools.js";

export type HostState = "running" | "paused" | "stopped" | "daemon stopped";

/** A process is told from a later one with its number by when it started. */
interface Init { readonly pid: number; readonly startTime: string }

/** The host's PID 1 as this machine numbers it, if it is up. */
export function initOf(lab: Lab, host: LabHost): Init | undefined {
  try {
    const init = JSON.parse(readFileSync(hostPaths(lab.name, host.name).pid, "utf8")) as Init;
    return startTimeOf(init.pid) === init.startTime ? init : undefined;
  } catch { return undefined; }
}

export function stateOf(lab: Lab, host: LabHost): HostState {
  if (!initOf(lab, host)) return "stopped";
  if (isFrozen(hostPaths(lab.name, host.name).cgroup)) return "paused";
  return daemonPids(lab, host).length > 0 ? "running" : "daemon stopped";
}

/** Boots the host on its disk: namespaces, cable, and its program. Does what is missing of a host that is up. */
export async function bootHost(lab: Lab, host: LabHost): Promise<void> {
  if (!initOf(lab, host)) await startInit(lab, host);
  if (daemonPids(lab, host).length === 0) startDaemon(lab, host);
}

async function startInit(lab: Lab, host: LabHost): Promise<void> {
  const paths = hostPaths(lab.name, host.name);
  // What a power cut left: empty cgroups of containers, files in /run.
  if (!await removeCgroups(paths.cgroup)) throw new SwarmError("INTERNAL", `Cannot start host "${host.name}": processes of its last life do not end (${allPids(paths.cgroup).join(", ")}); wait, then try again`);
  rmSync(paths.run, { recursive: true, force: true });
  for (const directory of [paths.state, paths.etc, paths.run]) mkdirSync(directory, { recursive: true });
  mkdirSync("/run/netns", { recursive: true });
  writeFileSync(join(paths.etc, "hostname"), `${host.name}\n`);
  writeFileSync(join(paths.etc, "resolv.conf"), `nameserver ${gatewayOf(lab)}\noptions timeout:1 attempts:1\n`);
  writeFileSync(join(paths.etc, "hosts"), ["127.0.0.1 localhost", ...lab.hosts.map((other) => `${other.address} ${other.name}`), ""].join("\n"));
  const setup = [
    "mount -t tmpfs -o mode=755 tmpfs /run/netns",
    `for f in hostname resolv.conf hosts; do [ -e /etc/$f ] && mount --bind ${quote(paths.etc)}/$f /etc/$f; done`,
    `hostname ${quote(host.name)}`,
    "exec tini -s -- sleep infinity",
  ].join("\n");
  const argv = ["unshare", "--mount", "--uts", "--ipc", "--net", "--pid", "--fork", "--mount-proc", "--propagation", "private", "sh", "-ec", setup];
  const shell = spawn("sh", ["-ec", enter(prepareCgroups(paths.cgroup), argv)], {
    stdio: "ignore", detached: true, cwd: "/", env: { PATH: searchPath, SKEIN_LAB_HOST: `${lab.name}/${host.name}` },
  });
  let failure: string | undefined;
  shell.on("error", (error) => { failure = error.message; });
  shell.on("exit", (code, signal) => { failure = `it ended with ${signal ?? `exit code ${code}`}`; });
  shell.unref();
  const init = await childRunning(shell.pid!, "tini", () => failure);
  if (init === undefined) throw new SwarmError("INTERNAL", `Cannot start host "${host.name}": its first process did not come up${failure ? `: ${failure}` : ""}`);
  writeFileSync(paths.pid, JSON.stringify({ pid: init, startTime: startTimeOf(init) }));
  await plugHost(lab, host, init);
}

function startDaemon(lab: Lab, host: LabHost): void {
  const paths = hostPaths(lab.name, host.name);
  const log = openSync(paths.log, "a", 0o600);
  // The shell inside ends at once, so that the daemon becomes a child of the host's own PID 1 and nothing of it stays outside.
  const inside = ["sh", "-c", `setsid ${commandOf(lab, host).map(quote).join(" ")} </dev/null &`];
  const child = spawn("sh", ["-ec", enter(prepareCgroups(paths.cgroup), enterNamespaces(initOf(lab, host)!.pid, inside))], {
    stdio: ["ignore", log, log], detached: true, cwd: "/", env: { PATH: searchPath, HOME: "/root", LANG: "C.UTF-8" },
  });
  closeSync(log);
  child.on("error", () => {});
  child.unref();
}

/**
 * Clean power-off: the daemon first, then the containers get SIGTERM and after the grace SIGKILL. Their monitors see them end and write it down;
 * then the host goes.
 */
export async function stopHost(lab: Lab, host: LabHost, graceMs = 5_000): Promise<void> {
  const paths = hostPaths(lab.name, host.name);
  setFrozen(paths.cgroup, false);
  const init = initOf(lab, host);
  if (init) {
    signal(daemonPids(lab, host), "SIGTERM");
    await until(() => daemonPids(lab, host).length === 0, 10_000);
    const containers = () => { const own = new Set(hostPids(paths.cgroup)); return allPids(paths.cgroup).filter((pid) => !own.has(pid)); };
    signal(containers(), "SIGTERM");
    if (!await until(() => containers().length === 0, graceMs)) signal(containers(), "SIGKILL");
    // Left are the first process with its sleep, and unshare outside.
    await until(() => hostPids(paths.cgroup).length <= 3, 2_000);
  }
  await killHost(lab, host);
}

/** Power cut: the kernel ends every process of the pid namespace with its first. */
export async function killHost(lab: Lab, host: LabHost): Promise<void> {
  const paths = hostPaths(lab.name, host.name);
  setFrozen(paths.cgroup, false);
  const init = initOf(lab, host);
  if (init) signal([init.pid], "SIGKILL");
  await removeCgroups(paths.cgroup);
  await until(() => !initOf(lab, host), 10_000);
  rmSync(paths.pid, { force: true });
}

export async function killDaemon(lab: Lab, host: LabHost): Promise<void> {
  const pids = daemonPids(lab, host);
  if (pids.length === 0) throw new SwarmError("FAILED_PRECONDITION", `Cannot kill the daemon of host "${host.name}": it does not run; start it with "swarmctl lab start ${host.name}"`);
  signal(pids, "SIGKILL");
  await until(() => daemonPids(lab, host).length === 0, 10_000);
}

export async function stopDaemon(lab: Lab, host: LabHost): Promise<void> {
  signal(daemonPids(lab, host), "SIGTERM");
  if (!await until(() => daemonPids(lab, host).length === 0, 15_000)) await killDaemon(lab, host);
}

export function pauseHost(lab: Lab, host: LabHost, isPaused: boolean): void {
  if (!initOf(lab, host)) throw new SwarmError("FAILED_PRECONDITION", `Cannot ${isPaused ? "pause" : "resume"} host "${host.name}": it is stopped; start it with "swarmctl lab start ${host.name}"`);
  setFrozen(hostPaths(lab.name, host.name).cgroup, isPaused);
}

/** argv that runs inside the host, as a process of it. */
export function argvInside(lab: Lab, host: LabHost, argv: readonly string[]): string[] {
  const init = initOf(lab, host);
  if (!init) throw new SwarmError("FAILED_PRECONDITION", `Cannot run a command on host "${host.name}": it is stopped; start it with "swarmctl lab start ${host.name}"`);
  return ["sh", "-ec", enter(prepareCgroups(hostPaths(lab.name, host.name).cgroup), enterNamespaces(init.pid, argv))];
}

const enterNamespaces = (pid: number, argv: readonly string[]) => ["nsenter", "-t", String(pid), "-m", "-u", "-i", "-n", "-p", "--", ...argv];
/** A shell line that moves itself into the cgroups, then becomes `argv`. */
const enter = (procs: readonly string[], argv: readonly string[]) => `${procs.map((file) => `echo $$ > ${quote(file)}`).join("; ")}; exec ${argv.map(quote).join(" ")}`;
const quote = (word: string) => `'${word.replaceAll("'", `'\\''`)}'`;

/** The host's program, known by its exact arguments, and swarmd's manager process; not the monitors of containers, which outlive both. */
function daemonPids(lab: Lab, host: LabHost): number[] {
  const command = commandOf(lab, host).join("\0");
  return hostPids(hostPaths(lab.name, host.name).cgroup).filter((pid) => {
    const words = cmdlineOf(pid);
    return words.join("\0") === command || words.some((word) => word.endsWith("/manager-process.js"));
  });
}

function commandOf(lab: Lab, host: LabHost): string[] {
  const paths = hostPaths(lab.name, host.name);
  const fill: Readonly<Record<string, string>> = { "%HOST%": host.name, "%STATE%": paths.state, "%RUN%": paths.run, "%CGROUP%": paths.cgroup, "%ADDR%": host.address, "%GATEWAY%": gatewayOf(lab) };
  return [...lab.command, ...host.args ?? []].map((word) => word.replace(/%[A-Z]+%/g, (name) => fill[name] ?? name));
}

function cmdlineOf(pid: number): string[] {
  try { return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1); } catch { return []; }
}

function statOf(pid: number): { parent: number; startTime: string; state: string } | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /s, "").split(" ");
    return { state: fields[0]!, parent: Number(fields[1]), startTime: fields[19]! };
  } catch { return undefined; }
}

function startTimeOf(pid: number): string | undefined {
  const stat = statOf(pid);
  return stat && stat.state !== "Z" && stat.state !== "X" ? stat.startTime : undefined;
}

async function childRunning(parent: number, program: string, failure: () => string | undefined): Promise<number | undefined> {
  let found: number | undefined;
  await until(() => {
    if (failure()) return true;
    try {
      for (const child of readFileSync(`/proc/${parent}/task/${parent}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number)) {
        if (cmdlineOf(child)[0] === program) { found = child; return true; }
      }
    } catch { return readdirSync("/proc").length === 0; }
    return false;
  }, 10_000);
  return found;
}

function signal(pids: readonly number[], name: NodeJS.Signals): void {
  for (const pid of pids) try { process.kill(pid, name); } catch { /* gone */ }
}

async function until(condition: () => boolean, boundMs: number): Promise<boolean> {
  const end = systemClock.monotonic() + boundMs;
  while (!condition()) {
    if (systemClock.monotonic() > end) return false;
    await sleep(systemClock, 20);
  }
  return true;
}
