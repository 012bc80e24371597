import { SwarmError } from "../../lib/index.js";
import type { ContainerConfig } from "../api/index.js";

export type NamespaceChoice = { readonly kind: "own" } | { readonly kind: "host" } | { readonly kind: "of"; readonly container: string };
export interface Namespaces { readonly ipc: NamespaceChoice; readonly pid: NamespaceChoice; readonly uts: NamespaceChoice; readonly cgroup: NamespaceChoice; readonly shm: "own" | "shared" | "none" | "host" }

const own: NamespaceChoice = { kind: "own" };
const host: NamespaceChoice = { kind: "host" };

/** Docker's modes ("", "private", "host", "shareable", "none", "container:ID") as decisions. Pure. */
export function namespacesOf(config: Pick<ContainerConfig, "ipcMode" | "pidMode" | "utsMode" | "cgroupnsMode">, isCgroupV2: boolean): Namespaces {
  const { ipcMode = "", pidMode = "", utsMode = "", cgroupnsMode = "" } = config;
  const refuse = (name: string, mode: string, known: string): never => { throw new SwarmError("INVALID_ARGUMENT", `${name} mode "${mode.slice(0, 100)}" is not known; use ${known}`); };
  const other = (name: string, mode: string, known: string): NamespaceChoice => {
    const id = /^container:(.+)$/.exec(mode)?.[1];
    return id ? { kind: "of", container: id } : refuse(name, mode, known);
  };
  const ipc = ipcMode === "host" ? host : ["", "private", "shareable", "none"].includes(ipcMode) ? own : other("IPC", ipcMode, "private, shareable, none, host or container:NAME");
  const pid = pidMode === "host" ? host : pidMode === "" || pidMode === "private" ? own : other("PID", pidMode, "host or container:NAME");
  const uts = utsMode === "host" ? host : utsMode === "" || utsMode === "private" ? own : refuse("UTS", utsMode, "host");
  const cgroup = cgroupnsMode === "host" ? host : cgroupnsMode === "private" ? own : cgroupnsMode === "" ? (isCgroupV2 ? own : host) : refuse("cgroup namespace", cgroupnsMode, "private or host");
  const shm = ipcMode === "host" ? "host" : ipcMode === "none" ? "none" : ipcMode === "shareable" || ipc.kind === "of" ? "shared" : "own";
  return { ipc, pid, uts, cgroup, shm };
}
