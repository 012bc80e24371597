import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { SwarmError } from "../../lib/index.js";
import type { ContainerConfig } from "../api/index.js";
import type { Paths } from "../paths.js";
import type { JoinedNamespace, JoinedNamespaces } from "../runtime/bundle.js";
import { mountsBelow } from "../runtime/mountinfo.js";
import { namespacesOf, type NamespaceChoice } from "../runtime/namespaces.js";
import { runProgram } from "../runtime/program.js";
import type { ContainerRecord } from "./record.js";
import type { ContainerTable } from "./table.js";

const defaultShmBytes = 64 * 1024 * 1024;

/** The namespaces that a container is about to start in. Those of another container exist while that one runs. */
export async function joinNamespaces(config: ContainerConfig, isCgroupV2: boolean, parts: { table: ContainerTable; paths: Paths }): Promise<JoinedNamespaces> {
  const wanted = namespacesOf(config, isCgroupV2);
  const join = (type: "ipc" | "pid" | "uts" | "cgroup", choice: NamespaceChoice): JoinedNamespace =>
    (choice.kind === "of" ? { kind: "path", path: `/proc/${runningPeer(config, type, choice.container, parts.table).process!.pid}/ns/${type}` } : choice);
  const joined = { ipc: join("ipc", wanted.ipc), pid: join("pid", wanted.pid), uts: join("uts", wanted.uts), cgroup: join("cgroup", wanted.cgroup) };
  switch (wanted.shm) {
    case "own": case "none": return { ...joined, shm: { kind: wanted.shm } };
    case "host": return { ...joined, shm: { kind: "bind", source: "/dev/shm" }, ...(existsSync("/dev/mqueue") ? { hostMqueue: "/dev/mqueue" } : {}) };
    case "shared": return { ...joined, shm: { kind: "bind", source: await sharedShm(config, wanted.ipc, parts) } };
  }
}

/** For a look at creation, when nothing is joined. */
export const aloneNamespaces: JoinedNamespaces = { ipc: { kind: "own" }, pid: { kind: "own" }, uts: { kind: "own" }, cgroup: { kind: "own" }, shm: { kind: "own" } };

function runningPeer(config: ContainerConfig, type: string, reference: string, table: ContainerTable): ContainerRecord {
  const refuse = (why: string): never => { throw new SwarmError("FAILED_PRECONDITION", `it is to share the ${type.toUpperCase()} namespace of container "${reference}", which ${why}`); };
  let peer: ContainerRecord | undefined;
  try { peer = table.find(reference).record; } catch { return refuse("is not on this host; create and start that one first"); }
  if (peer.config.id === config.id) return refuse("is itself");
  if (peer.phase !== "running" || !peer.process) return refuse("is not running; start that one first");
  return peer;
}

/** A "shareable" container's /dev/shm lies on the host, so that others can have it too. */
async function sharedShm(config: ContainerConfig, ipc: NamespaceChoice, { table, paths }: { table: ContainerTable; paths: Paths }): Promise<string> {
  if (ipc.kind === "of") {
    const peer = runningPeer(config, "ipc", ipc.container, table).config;
    if (peer.ipcMode === "host") return "/dev/shm";
    if (peer.ipcMode?.startsWith("container:")) return sharedShm(config, { kind: "of", container: peer.ipcMode.slice("container:".length) }, { table, paths });
    if (peer.ipcMode !== "shareable") throw new SwarmError("FAILED_PRECONDITION", `it is to share the IPC namespace of container "${peer.name}", which is private; create that one with IPC mode shareable`);
    return paths.container(peer.id).shm;
  }
  const own = paths.container(config.id);
  await mkdir(own.shm, { recursive: true });
  if (mountsBelow(await readFile("/proc/self/mountinfo", "utf8"), own.bundle).includes(own.shm)) return own.shm;
  const mounted = await runProgram("mount", ["-t", "tmpfs", "-o", `nosuid,nodev,noexec,mode=1777,size=${config.shmSizeBytes || defaultShmBytes}`, "shm", own.shm]);
  if (mounted.code !== 0) throw new SwarmError("INTERNAL", `its /dev/shm cannot be mounted: ${mounted.stderr.trim()}`);
  return own.shm;
}
