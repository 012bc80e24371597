import type { DesiredBridge, DesiredHost, DesiredRemote, DesiredTunnel } from "./desired-host.js";
import { isBridgeName, isTunnelName, isVethName, localBridge } from "./names.js";

/** What the kernel holds of ours, in the terms of DesiredHost. */
export interface ObservedHost {
  readonly links: readonly ObservedLink[];
  readonly addresses: readonly { readonly device: string; readonly addr: string; readonly prefix: number }[];
  readonly forwarding: readonly { readonly device: string; readonly mac: string; readonly vtep: string; readonly via: "self" | "master"; readonly state: string }[];
  readonly neighbours: readonly { readonly device: string; readonly addr: string; readonly mac: string }[];
}
export interface ObservedLink {
  readonly name: string; readonly kind: string; readonly mac: string; readonly mtu: number; readonly isUp: boolean; readonly master: string;
  readonly vxlan?: { readonly vni: number; readonly port: number; readonly local: string; readonly isLearning: boolean };
  readonly bridgePort?: { readonly isLearning: boolean; readonly isFlooding: boolean };
}

/**
 * Lines for `ip -batch` and `bridge -batch`, to be run in this order. What concerns sandboxes' ports and what is taken away may fail:
 * a sandbox may be on its way out just now. `reasons` says what differed, for the log and the drift counter.
 */
export interface HostChange {
  readonly prune: readonly string[];       // ip, may fail
  readonly ip: readonly string[];
  readonly bridge: readonly string[];
  readonly ports: readonly string[];       // ip, may fail
  readonly portRows: readonly string[];    // bridge, may fail
  readonly newBridges: readonly string[];  // want their sysctls set
  readonly missingPorts: readonly string[]; // host ends that are gone: only plumbing the sandbox again brings them back
  readonly reasons: readonly string[];
}

/**
 * `isAdditive`: take nothing away (before the first whole state is known, what is there is presumed to be wanted).
 * `isAssumed`: the observation is assumeDone()'s, which knows nothing of ports; they are left alone.
 */
export interface DiffOptions { readonly isAdditive?: boolean; readonly isAssumed?: boolean }

/** Every write replaces, so that running a change twice, or after somebody else's half of it, is harmless. */
export function diffHost(desired: DesiredHost, observed: ObservedHost, options: DiffOptions = {}): HostChange {
  const prune: string[] = [];
  const ports: string[] = [];
  const portRows: string[] = [];
  const ip: string[] = [];
  const bridge: string[] = [];
  const newBridges: string[] = [];
  const reasons: string[] = [];
  const links = new Map(observed.links.map((link) => [link.name, link]));
  const gone = new Set<string>();
  const remove = (name: string, why: string) => { prune.push(`link del ${name}`); gone.add(name); reasons.push(`${name}: ${why}`); };

  const wanted = new Set([...desired.bridges, ...desired.tunnels].map((link) => link.name));
  const wantedPorts = new Set(desired.ports.map((port) => port.name));
  for (const link of observed.links) {
    // Tunnels before their bridges; a veth without a sandbox has lost its namespace or its record.
    const isOurs = isTunnelName(link.name) || isBridgeName(link.name) || link.name === localBridge;
    if (!options.isAdditive && ((isOurs && !wanted.has(link.name)) || (isVethName(link.name) && !wantedPorts.has(link.name)))) remove(link.name, "not wanted");
  }

  for (const want of desired.bridges) {
    let have = links.get(want.name);
    if (have && have.kind !== "bridge") { remove(want.name, `a ${have.kind || "device"}, not a bridge`); have = undefined; }
    diffBridge(want, have, observed, { ip, newBridges, reasons });
  }
  for (const want of desired.tunnels) {
    let have = links.get(want.name);
    const why = have && tunnelMismatch(want, have);
    if (why) { remove(want.name, why); have = undefined; }
    diffTunnel(want, have, { ip, reasons });
  }
  diffRemotes(desired, observed, gone, options.isAdditive ?? false, { ip, bridge, reasons });

  const missingPorts: string[] = [];
  const staticRows = new Set(observed.forwarding.filter((row) => row.via === "master" && row.state === "static").map((row) => `${row.device} ${row.mac}`));
  for (const port of options.isAssumed ? [] : desired.ports) {
    const have = links.get(port.name);
    if (!have) { missingPorts.push(port.name); reasons.push(`${port.name}: missing`); continue; }
    const isMoved = have.master !== port.bridge || newBridges.includes(port.bridge);
    if (isMoved || !have.isUp) { ports.push(`link set ${port.name} master ${port.bridge} up`); reasons.push(`${port.name}: not on ${port.bridge}`); }
    if (isMoved || have.bridgePort?.isFlooding !== false) ports.push(`link set ${port.name} type bridge_slave flood off hairpin on`);
    if (isMoved || !staticRows.has(`${port.name} ${port.mac}`)) {
      portRows.push(`fdb replace ${port.mac} dev ${port.name} master static`);
      reasons.push(`${port.name}: no row for its address`);
    }
  }
  return { prune, ip, bridge, ports, portRows, newBridges, missingPorts, reasons };
}

function diffBridge(
  want: DesiredBridge, have: ObservedLink | undefined, observed: ObservedHost, out: { ip: string[]; newBridges: string[]; reasons: string[] },
): void {
  const addresses = have ? observed.addresses.filter((row) => row.device === want.name) : [];
  if (!have) {
    // No IPv6 link-local address: the network is IPv4 and the host must not appear in it a second time.
    out.ip.push(`link add ${want.name} mtu ${want.mtu}${want.mac ? ` address ${want.mac}` : ""} type bridge`);
    out.ip.push(`link set ${want.name} addrgenmode none`);
    out.newBridges.push(want.name);
    out.reasons.push(`${want.name}: missing`);
  } else {
    if (want.mac && have.mac !== want.mac) { out.ip.push(`link set ${want.name} address ${want.mac}`); out.reasons.push(`${want.name}: other MAC`); }
    if (have.mtu !== want.mtu) { out.ip.push(`link set ${want.name} mtu ${want.mtu}`); out.reasons.push(`${want.name}: other MTU`); }
  }
  const isThere = addresses.some((row) => row.addr === want.addr && row.prefix === want.prefix);
  for (const row of addresses) if (row.addr !== want.addr || row.prefix !== want.prefix) {
    out.ip.push(`addr del ${row.addr}/${row.prefix} dev ${want.name}`);
    out.reasons.push(`${want.name}: foreign address`);
  }
  if (want.addr && !isThere) { out.ip.push(`addr replace ${want.addr}/${want.prefix} dev ${want.name}`); if (have) out.reasons.push(`${want.name}: no address`); }
  if (!have?.isUp) { out.ip.push(`link set ${want.name} up`); if (have) out.reasons.push(`${want.name}: down`); }
}

function tunnelMismatch(want: DesiredTunnel, have: ObservedLink): string | undefined {
  if (!have.vxlan) return `a ${have.kind || "device"}, not a tunnel`;
  if (have.vxlan.vni !== want.vni) return "other VNI";
  if (have.vxlan.port !== want.port) return "other port";
  if (have.vxlan.local !== want.local) return "other local address";
  if (have.vxlan.isLearning) return "it learns";
  return undefined;
}

function diffTunnel(want: DesiredTunnel, have: ObservedLink | undefined, out: { ip: string[]; reasons: string[] }): void {
  if (!have) {
    // nolearning: rows come from the store alone, a learned one could never be told from a stale one. proxy: answers ARP from the
    // neighbour rows, and drops questions about addresses that nobody has.
    out.ip.push(`link add ${want.name} mtu ${want.mtu} type vxlan id ${want.vni} dstport ${want.port} local ${want.local} nolearning proxy`);
    out.ip.push(`link set ${want.name} addrgenmode none`);
    out.reasons.push(`${want.name}: missing`);
  } else if (have.mtu !== want.mtu) {
    out.ip.push(`link set ${want.name} mtu ${want.mtu}`);
    out.reasons.push(`${want.name}: other MTU`);
  }
  if (!have || have.master !== want.bridge || !have.isUp) {
    out.ip.push(`link set ${want.name} master ${want.bridge} up`);
    if (have) out.reasons.push(`${want.name}: not on ${want.bridge}`);
  }
  // The bridge knows its own ports by static rows; whatever else is unknown goes into the tunnel, so it need not learn there, and a
  // task that comes home is not looked for abroad until a learned row ages.
  if (!have || have.bridgePort?.isLearning !== false) out.ip.push(`link set ${want.name} type bridge_slave learning off`);
}

function diffRemotes(
  desired: DesiredHost, observed: ObservedHost, gone: ReadonlySet<string>, isAdditive: boolean,
  out: { ip: string[]; bridge: string[]; reasons: string[] },
): void {
  const tunnels = new Set(desired.tunnels.map((tunnel) => tunnel.name));
  const isKept = (device: string) => tunnels.has(device) && !gone.has(device) && observed.links.some((link) => link.name === device);
  const kept = new Map([...tunnels].map((name) => [name, isKept(name)]));

  const haveRows = new Map<string, string>();     // "device mac" → vtep
  const doubles: DesiredRemote[] = [];
  for (const row of observed.forwarding) {
    if (row.via !== "self" || row.vtep === "" || !kept.get(row.device)) continue;
    const key = `${row.device} ${row.mac}`;
    if (haveRows.has(key)) doubles.push({ tunnel: row.device, addr: "", mac: row.mac, vtep: row.vtep });
    else haveRows.set(key, row.vtep);
  }
  const haveNeighbours = new Map(observed.neighbours.filter((row) => kept.get(row.device)).map((row) => [`${row.device} ${row.addr}`, row.mac]));

  const wantRows = new Set<string>();
  const wantNeighbours = new Set<string>();
  const perTunnel = new Map<string, { added: number; removed: number }>();
  const count = (tunnel: string, what: "added" | "removed") => {
    const counts = perTunnel.get(tunnel) ?? { added: 0, removed: 0 };
    counts[what]++;
    perTunnel.set(tunnel, counts);
  };
  for (const remote of desired.remotes) {
    const rowKey = `${remote.tunnel} ${remote.mac}`;
    const neighbourKey = `${remote.tunnel} ${remote.addr}`;
    wantRows.add(rowKey);
    wantNeighbours.add(neighbourKey);
    if (haveRows.get(rowKey) !== remote.vtep) {
      out.bridge.push(`fdb replace ${remote.mac} dev ${remote.tunnel} dst ${remote.vtep} self static`);
      count(remote.tunnel, "added");
    }
    if (haveNeighbours.get(neighbourKey) !== remote.mac) {
      out.ip.push(`neigh replace ${remote.addr} lladdr ${remote.mac} dev ${remote.tunnel} nud permanent`);
      count(remote.tunnel, "added");
    }
  }
  for (const row of doubles) out.bridge.push(`fdb del ${row.mac} dev ${row.tunnel} dst ${row.vtep} self`);
  if (!isAdditive) {
    for (const [key, vtep] of haveRows) if (!wantRows.has(key)) {
      const [device, mac] = key.split(" ") as [string, string];
      out.bridge.push(`fdb del ${mac} dev ${device} dst ${vtep} self`);
      count(device, "removed");
    }
    for (const key of haveNeighbours.keys()) if (!wantNeighbours.has(key)) {
      const [device, addr] = key.split(" ") as [string, string];
      out.ip.push(`neigh del ${addr} dev ${device}`);
      count(device, "removed");
    }
  }
  for (const [tunnel, counts] of perTunnel) out.reasons.push(`${tunnel}: ${counts.added} rows missing, ${counts.removed} too many`);
}

/** The observation that follows from a desired state, once it was carried out: the next diff starts from it without asking the kernel. */
export function assumeDone(desired: DesiredHost): ObservedHost {
  return {
    links: [
      ...desired.bridges.map((b) => ({ name: b.name, kind: "bridge", mac: b.mac, mtu: b.mtu, isUp: true, master: "" })),
      ...desired.tunnels.map((t) => ({
        name: t.name, kind: "vxlan", mac: "", mtu: t.mtu, isUp: true, master: t.bridge,
        vxlan: { vni: t.vni, port: t.port, local: t.local, isLearning: false }, bridgePort: { isLearning: false, isFlooding: true },
      })),
    ],
    addresses: desired.bridges.filter((b) => b.addr).map((b) => ({ device: b.name, addr: b.addr, prefix: b.prefix })),
    forwarding: desired.remotes.map((r) => ({ device: r.tunnel, mac: r.mac, vtep: r.vtep, via: "self" as const, state: "static" })),
    neighbours: desired.remotes.map((r) => ({ device: r.tunnel, addr: r.addr, mac: r.mac })),
  };
}
