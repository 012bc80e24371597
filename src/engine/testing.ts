import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { silentLogger, systemClock } from "../lib/index.js";
import type { ContainerConfig, Engine, LogLine } from "./api/index.js";
import type { EngineConfig } from "./config.js";
import { openEngine } from "./engine.js";
import { removeNetworkTraces } from "./networks/testing.js";
import { mountsBelow } from "./runtime/mountinfo.js";

const none = { cpuMillis: 0, memoryBytes: 0, pids: 0 };

/** A real engine on directories and a cgroup of its own; needs root. `close` leaves nothing, whatever state things are in. */
export interface EngineRig {
  readonly directory: string;
  readonly config: EngineConfig;
  engine(): Engine;
  /** Another daemon takes over the same directories. */
  reopen(): Promise<Engine>;
  /** Creates and starts; returns the id. */
  run(image: string, args: readonly string[], more?: Partial<ContainerConfig>): Promise<string>;
  /** All lines, until the container has ended. */
  output(id: string): Promise<string[]>;
  close(): Promise<void>;
}

export async function openEngineRig(more: Partial<EngineConfig> = {}): Promise<EngineRig> {
  const directory = mkdtempSync(join(tmpdir(), "skein-engine-"));
  const cgroupParent = `/skein-test-${randomBytes(5).toString("hex")}`;
  const config: EngineConfig = { stateDir: join(directory, "state"), runDir: join(directory, "run"), cgroupParent, log: silentLogger, clock: systemClock, monitorPath: buildMonitor(), ...more };
  let engine = await openEngine(config);
  let isOpen = true;
  return {
    directory, config,
    engine: () => engine,
    async reopen() {
      if (isOpen) await engine.close();
      isOpen = false;
      engine = await openEngine(config);
      isOpen = true;
      return engine;
    },
    async run(image, args, options = {}) {
      const spec = containerConfig({ image, args, ...options });
      await engine.create(spec);
      await engine.start(spec.id);
      return spec.id;
    },
    async output(id) {
      const lines: string[] = [];
      for await (const line of engine.logs(id, { follow: true })) lines.push(line.line.toString());
      return lines;
    },
    async close() {
      try {
        if (!isOpen) { engine = await openEngine(config); isOpen = true; }
        await Promise.allSettled((await engine.list()).map((c) => engine.remove(c.id, { force: true })));
        await engine.close();
      } finally { cleanUp(directory, config.cgroupParent); }
    },
  };
}

export function containerConfig(partial: Partial<ContainerConfig> = {}): ContainerConfig {
  const id = partial.id ?? randomBytes(12).toString("hex");
  return { id, name: `test-${id.slice(0, 6)}`, image: "busybox", env: [], hostname: "box", labels: {}, mounts: [], limits: none, reservations: none, ...partial };
}

export async function linesOf(lines: AsyncIterable<LogLine>): Promise<string[]> {
  const all: string[] = [];
  for await (const { line } of lines) all.push(line.toString());
  return all;
}

let built: string | undefined;

/** The monitor from the present sources, once per test process. */
export function buildMonitor(): string {
  if (built) return built;
  const source = join(dirname(fileURLToPath(import.meta.url)), "monitor");
  const directory = mkdtempSync(join(tmpdir(), "skein-monitor-"));
  built = join(directory, "skein-monitor");
  execFileSync("gcc", ["-O2", "-Wall", "-Wextra", "-Werror", "-static", "-s", "-o", built, ...readdirSync(source).filter((n) => n.endsWith(".c")).map((n) => join(source, n))]);
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  return built;
}

/** Whatever an engine on this directory has left, also one that was killed. */
export function cleanUp(directory: string, cgroupParent: string): void {
  const containers = join(directory, "run", "containers");
  if (existsSync(containers)) {
    for (const id of readdirSync(containers)) {
      try { process.kill((JSON.parse(readFileSync(join(containers, id, "state.json"), "utf8")) as { pid: number }).pid, "SIGKILL"); } catch { /* gone already */ }
    }
  }
  for (const mount of mountsBelow(readFileSync("/proc/self/mountinfo", "utf8"), directory)) execFileSync(buildMonitor(), ["unmount", mount]);
  removeNetworkTraces(join(directory, "state"));
  rmSync(directory, { recursive: true, force: true });
  for (const controller of ["", ...readdirSync("/sys/fs/cgroup")]) {
    const group = join("/sys/fs/cgroup", controller, cgroupParent);
    if (!existsSync(group)) continue;
    for (const name of readdirSync(group, { withFileTypes: true })) if (name.isDirectory()) try { rmdirSync(join(group, name.name)); } catch { /* not empty: told by the next line */ }
    try { rmdirSync(group); } catch { /* a process is still ending in it */ }
  }
}
