import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ExecConfig } from "../api/index.js";
import type { ProcessEnd } from "../attach/monitor-connection.js";
import type { MonitorReport } from "../containers/start-monitor.js";
import type { ContainerPaths } from "../paths.js";

/** An exec's directory in its container's bundle: what it is, for the next daemon, and what its monitor writes. It goes with the exec, at latest with the bundle. */
export const execDirectory = (container: ContainerPaths, id: string): string => join(container.bundle, "execs", id);

export const execFile = { process: "process.json", exit: "exit.json" } as const;
const configFile = "exec.json";

export async function writeExec(directory: string, config: ExecConfig, process: object): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await Promise.all([writeFile(join(directory, configFile), JSON.stringify(config)), writeFile(join(directory, execFile.process), JSON.stringify(process))]);
}

export const removeExec = (directory: string): Promise<void> => rm(directory, { recursive: true, force: true });

export const endOf = (directory: string): Promise<ProcessEnd | undefined> => readJson<ProcessEnd>(join(directory, execFile.exit));

/** What an earlier daemon has started and not cleared away. */
export async function foundExecs(container: ContainerPaths): Promise<{ id: string; config: ExecConfig | undefined; report: MonitorReport | undefined }[]> {
  const ids = await readdir(join(container.bundle, "execs")).catch(() => []);
  return Promise.all(ids.map(async (id) => {
    const directory = execDirectory(container, id);
    return { id, config: await readJson<ExecConfig>(join(directory, configFile)), report: await readJson<MonitorReport>(join(directory, "state.json")) };
  }));
}

async function readJson<T>(path: string): Promise<T | undefined> { try { return JSON.parse(await readFile(path, "utf8")) as T; } catch { return undefined; } }
