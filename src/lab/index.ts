/**
 * Hosts on one machine: each a set of namespaces with its own address, disk, /run, cgroup and swarmd, joined by a bridge. In: names and
 * counts. Out: hosts to start, stop, cut off and look into, and nothing left after labDown. It knows nothing of services; it talks to the
 * daemons' sockets only to make one cluster of them.
 */
import { SwarmError } from "../lib/index.js";
import { bootHost, initOf, killDaemon, killHost, pauseHost, stateOf, stopDaemon, stopHost, type HostState } from "./host.js";
import * as network from "./network.js";
import { getHost, getLab, hostPaths, listLabs, withHostArgs, writeLab, type HostRole } from "./state.js";
import { requireTools } from "./tools.js";

export { labUp, type LabProgress, type LabUp, type LabUpOptions } from "./up.js";
export { labDown } from "./down.js";
export { labExec } from "./exec.js";
export { labLogs } from "./logs.js";
export type { Lab, LabHost } from "./state.js";

export interface LabRow {
  readonly lab: string;
  readonly host: string;
  readonly role: HostRole;
  readonly address: string;
  readonly state: HostState;
  /** PID 1 of the host as this machine numbers it; 0 when stopped. */
  readonly pid: number;
  readonly runDir: string;
  readonly stateDir: string;
}

/** Every host of every lab, or of one. */
export function labList(name?: string): LabRow[] {
  return (name === undefined ? listLabs() : [getLab(name)]).flatMap((lab) => lab.hosts.map((host) => {
    const paths = hostPaths(lab.name, host.name);
    return { lab: lab.name, host: host.name, role: host.role, address: host.address, state: stateOf(lab, host), pid: initOf(lab, host)?.pid ?? 0, runDir: paths.run, stateDir: paths.state };
  }));
}

const find = (labName: string, hostName: string) => {
  requireTools();
  const lab = getLab(labName);
  return [lab, getHost(lab, hostName)] as const;
};

/** Clean power-off of the host, or with daemonOnly of swarmd while its containers go on. */
export async function labStop(lab: string, host: string, options: { daemonOnly?: boolean } = {}): Promise<void> {
  await (options.daemonOnly ? stopDaemon : stopHost)(...find(lab, host));
}

/**
 * Boots a stopped host on its disk and address; on a running one starts swarmd if it is not running. `args` are the host's own flags for
 * swarmd from now on; without them it keeps those it had.
 */
export async function labStart(labName: string, hostName: string, args?: readonly string[]): Promise<void> {
  const [lab, host] = find(labName, hostName);
  if (!args) return bootHost(lab, host);
  const state = stateOf(lab, host);
  if (state === "running" || state === "paused") {
    throw new SwarmError("FAILED_PRECONDITION", `Cannot start host "${hostName}" with other flags: its swarmd runs; end it first with "swarmctl lab stop --daemon ${hostName}"`);
  }
  const changed = { ...lab, hosts: withHostArgs(lab.hosts, { [hostName]: args }, labName) };
  writeLab(changed);
  await bootHost(changed, getHost(changed, hostName));
}

/** Power cut, or with daemonOnly SIGKILL to swarmd alone. */
export async function labKill(lab: string, host: string, options: { daemonOnly?: boolean } = {}): Promise<void> {
  await (options.daemonOnly ? killDaemon : killHost)(...find(lab, host));
}

export async function labPause(lab: string, host: string): Promise<void> { pauseHost(...find(lab, host), true); }
export async function labResume(lab: string, host: string): Promise<void> { pauseHost(...find(lab, host), false); }

/** Cuts the groups off from each other; hosts in no group reach everybody. */
export async function labPartition(name: string, groups: readonly (readonly string[])[]): Promise<void> {
  requireTools();
  const lab = getLab(name);
  for (const host of groups.flat()) getHost(lab, host);
  await network.partition(lab, groups);
}

export async function labHeal(name: string): Promise<void> { requireTools(); await network.heal(getLab(name)); }
