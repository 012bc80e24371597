import { readFileSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { SwarmError, messageOf, type Clock, type Logger, type Timer } from "../../lib/index.js";
import { readUpstreamServers, rulesFingerprint, type HostLinks } from "../../linux/index.js";
import { DnsServer, type DnsTable } from "../../overlay/index.js";
import { runByHelper } from "../runtime/program.js";
import { forwardingsOf, isSameForwarding, renderHostRules, type Forwarding } from "./core/host-rules.js";
import { macOf, parseIp, parseSubnet } from "./core/ip-address.js";
import { isBridgeName, isHostLink, tableOf } from "./core/names.js";
import type { NetworkRecord, SandboxRecord } from "./core/records.js";
import type { NamespacePool } from "./namespace-pool.js";

export interface HostNetworkParts {
  readonly tag: string;
  readonly directory: string;              // of the namespaces' mounts
  readonly links: HostLinks;
  readonly pool: NamespacePool;
  readonly clock: Clock;
  readonly log: Logger;
  readonly auditMs: number;
  readonly dnsPort: number;
  /** Networks whose links are to be there. */
  readonly networks: () => readonly NetworkRecord[];
  readonly sandboxes: () => readonly SandboxRecord[];
  readonly names: () => DnsTable;
}

/** The host's side of all networks: bridges, rules, the name server. Brought to agree with the records, and looked at again from time to time. */
export class HostNetwork {
  readonly #parts: HostNetworkParts;
  readonly #dns: DnsServer;
  readonly #table: string;
  /** What the kernel holds of our rules: without forwardings, its listing's fingerprint, and the forwardings. Undefined: not known. */
  #applied: { skeleton: string; fingerprint: string; forwardings: readonly Forwarding[] } | undefined;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #upstream: readonly string[] = [];
  readonly #mtus = new Map<string, number>();
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(parts: HostNetworkParts) {
    this.#parts = parts;
    this.#table = tableOf(parts.tag);
    this.#dns = new DnsServer({ log: parts.log, preferredPort: parts.dnsPort, table: parts.names, upstream: () => this.#upstream });
  }

  /** Whether bridged frames pass the host's rules, by which containers of one network are then kept apart; else its ports are isolated. */
  isBridgeFiltered(): boolean { try { return readFileSync("/proc/sys/net/bridge/bridge-nf-call-iptables", "utf8").trim() === "1"; } catch { return false; } }

  /** Removes what an earlier life left half made, repairs what others changed meanwhile, and goes on watching. */
  async open(): Promise<void> {
    await this.#readUpstream();
    // What cannot be put right now is tried again at each audit: the engine starts all the same.
    await this.#sweep().catch((error: unknown) => this.#parts.log.error("clearing what an earlier engine left of networks failed", { error }));
    await this.audit().catch((error: unknown) => this.#parts.log.error("the host's side of networks is not as it should be", { error }));
    this.#armAudit();
  }

  /** Its link; rules and names follow with applyRules(). */
  async makeLink(network: NetworkRecord): Promise<void> {
    const { settings } = network;
    if (network.driver === "bridge") await this.#makeBridge(network);
    else if (settings.vlan) await this.#parts.links.ensureVlan({ name: settings.link, ...settings.vlan });
  }

  async removeNetwork(network: NetworkRecord): Promise<void> {
    const { link, vlan } = network.settings;
    const isShared = this.#parts.networks().some((other) => other.id !== network.id && other.settings.link === link);
    if ((network.driver === "bridge" || vlan) && !isShared) await this.#parts.links.removeLink(link);
    await this.applyRules();
  }

  /** Resolves when rules and name server agree with the records as they are now. What is asked for meanwhile is done together, afterwards. */
  applyRules(): Promise<void> {
    if (this.#next) return this.#next;
    if (!this.#running) return this.#begin();
    this.#next = this.#running.catch(() => {}).then(() => { this.#next = undefined; return this.#begin(); });
    return this.#next;
  }

  #begin(): Promise<void> {
    const pass = this.#pass().finally(() => { if (this.#running === pass) this.#running = undefined; });
    this.#running = pass;
    return pass;
  }

  async audit(): Promise<void> {
    const { links, log } = this.#parts;
    const repaired: string[] = [];
    this.#mtus.clear();
    const present = new Map((await links.links()).map((link) => [link.name, link]));
    for (const network of this.#parts.networks()) {
      const { link, vlan } = network.settings;
      if ((network.driver !== "bridge" && !vlan) || present.get(link)?.isUp) continue;
      try {
        await this.makeLink(network);
        repaired.push(`link ${link}`);
      } catch (error) { log.error("a network has no link", { network: network.name, error: messageOf(error) }); }
    }
    const networks = new Map(this.#parts.networks().map((network) => [network.id, network]));
    for (const sandbox of this.#parts.sandboxes()) for (const endpoint of sandbox.endpoints) {
      const link = present.get(endpoint.hostLink);
      const network = networks.get(endpoint.networkId);
      if (!link || !network || (link.master === network.settings.link && link.isUp)) continue;
      await links.plug({ hostName: endpoint.hostLink, bridge: network.settings.link, isIsolated: this.isIsolated(network) }, await this.mtuOf(network));
      repaired.push(`link ${endpoint.hostLink}`);
    }
    if (this.#bridges().length > 0) {
      this.#enableForwarding();
      const listing = (await runByHelper(["nft", "list", "table", "inet", this.#table])).stdout;
      if (this.#applied && !this.#running && !isListed(listing, this.#applied)) { this.#applied = undefined; repaired.push(`table inet ${this.#table}`); }
    }
    await this.applyRules();
    await this.#readUpstream();
    if (repaired.length > 0) log.info("repaired the host's side of networks", { repaired: repaired.slice(0, 10).join(", "), count: repaired.length });
  }

  /** The table is left in place: what containers publish goes on while no daemon runs. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#running?.catch(() => {});
    await this.#dns.close();
  }

  isIsolated(network: NetworkRecord): boolean { return !network.settings.hasIcc && !this.isBridgeFiltered(); }

  /** That of the way outside, as the last audit saw it: asking for all links takes long when there are hundreds. */
  async mtuOf(network: NetworkRecord): Promise<number> {
    if (network.settings.mtu) return network.settings.mtu;
    const outward = network.driver === "macvlan" ? network.settings.link : "";
    const known = this.#mtus.get(outward);
    if (known !== undefined) return known;
    const device = outward || await this.defaultDevice();
    const mtu = Math.min(1500, (await this.#parts.links.links()).find((link) => link.name === device)?.mtu ?? 1500);
    this.#mtus.set(outward, mtu);
    return mtu;
  }

  async defaultDevice(): Promise<string> { return (await this.#parts.links.routes()).find((route) => /^(0\.0\.0\.0|::)\/0$/.test(route.destination) && route.device !== "")?.device ?? ""; }

  /** Where the host's own name servers can be reached by this host alone, containers ask them through it. */
  get upstream(): readonly string[] { return this.#upstream; }

  #bridges(): NetworkRecord[] { return this.#parts.networks().filter((network) => network.driver === "bridge"); }

  async #makeBridge(network: NetworkRecord): Promise<void> {
    const { link } = network.settings;
    const addresses = network.pools.filter((pool) => pool.gateway !== "").map((pool) => `${pool.gateway}/${parseSubnet(pool.subnet)!.prefix}`);
    const first = parseIp(network.pools[0]?.gateway ?? "");
    await this.#parts.links.ensureBridge({ name: link, mac: macOf(first ?? { family: 4, value: BigInt(`0x${network.id.slice(0, 8)}`) }), mtu: await this.mtuOf(network), addresses });
    // A connection of this host to 127.0.0.1:port goes out of the bridge with a loopback source before it is masqueraded, and its replies come back so.
    set(`net/ipv4/conf/${link}/route_localnet`, "1");
    this.#enableForwarding();
    if (network.hasIpv6) this.#enableForwarding6();
  }

  #enableForwarding(): void { if (get("net/ipv4/ip_forward") === "0") set("net/ipv4/ip_forward", "1"); }

  /** A forwarding host ignores router advertisements, from which its own address may come, unless told otherwise (accept_ra 2). */
  #enableForwarding6(): void {
    if (get("net/ipv6/conf/all/forwarding") !== "0") return;
    for (const line of (tryRead("/proc/net/if_inet6") ?? "").split("\n")) {
      const device = line.trim().split(/\s+/)[5];
      if (device && get(`net/ipv6/conf/${device}/accept_ra`) === "1") set(`net/ipv6/conf/${device}/accept_ra`, "2");
    }
    set("net/ipv6/conf/all/forwarding", "1");
  }

  async #pass(): Promise<void> {
    const networks = this.#bridges();
    const byId = new Map(this.#parts.networks().map((network) => [network.id, network]));
    const forwardings = () => this.#parts.sandboxes().flatMap((sandbox) => forwardingsOf(sandbox, byId));
    if (networks.length === 0 && !this.#applied) return;
    if (networks.length === 0) {
      await nft(`add table inet ${this.#table}\ndelete table inet ${this.#table}\n`);
      this.#applied = undefined;
      await this.#dns.listenOn([]);
      return;
    }
    await this.#dns.listenOn(networks.flatMap((network) => network.pools).filter((pool) => pool.gateway !== "" && !pool.subnet.includes(":")).map((pool) => pool.gateway))
      .catch((error: unknown) => this.#parts.log.error("containers have no names now", { error: messageOf(error) }));
    const input = { table: this.#table, networks, dnsPort: this.#dns.port };
    const skeleton = renderHostRules({ ...input, forwardings: [] });
    const wanted = forwardings();
    if (this.#applied?.skeleton === skeleton) {
      const before = this.#applied.forwardings;
      const added = wanted.filter((each) => !before.some((other) => isSameForwarding(each, other)));
      const removed = before.filter((each) => !wanted.some((other) => isSameForwarding(each, other)));
      if (added.length === 0 && removed.length === 0) return;
      try {
        await this.#parts.links.changePorts(this.#table, removed, added);
        this.#applied = { ...this.#applied, forwardings: wanted };
        return;
      } catch (error) { this.#parts.log.warn("writing all rules anew: they were not as they were left", { error: messageOf(error) }); }
    }
    await nft(renderHostRules({ ...input, forwardings: wanted }));
    const listing = (await runByHelper(["nft", "list", "table", "inet", this.#table])).stdout;
    this.#applied = { skeleton, fingerprint: skeletonFingerprint(listing), forwardings: wanted };
  }

  /** Only what carries this engine's mark, and is no record's. */
  async #sweep(): Promise<void> {
    const { tag, directory, links, pool, log } = this.#parts;
    const sandboxes = this.#parts.sandboxes();
    const paths = new Set(sandboxes.map((sandbox) => sandbox.netnsPath));
    for (const name of await readdir(directory).catch(() => [])) {
      const path = join(directory, name);
      if (!paths.has(path) && !pool.isHolding(path)) await links.removeNamespace(path).catch((error: unknown) => log.warn("removing a namespace that was left failed", { path, error }));
    }
    const ends = new Set(sandboxes.flatMap((sandbox) => sandbox.endpoints.map((endpoint) => endpoint.hostLink)));
    const bridges = new Set(this.#bridges().map((network) => network.settings.link));
    for (const { name } of await links.links()) {
      const isLeft = (isHostLink(tag, name) && !ends.has(name) && !pool.isHoldingLink(name)) || (isBridgeName(tag, name) && !bridges.has(name));
      if (isLeft) await links.removeLink(name).catch((error: unknown) => log.warn("removing a link that was left failed", { name, error }));
    }
    if (bridges.size === 0 && (await runByHelper(["nft", "list", "table", "inet", this.#table])).exitCode === 0) await nft(`delete table inet ${this.#table}\n`);
  }

  async #readUpstream(): Promise<void> { this.#upstream = (await readUpstreamServers()).filter((server) => server !== "127.0.0.11"); }

  #armAudit(): void {
    if (this.#isClosed) return;
    this.#timer = this.#parts.clock.after(this.#parts.auditMs, () => {
      this.audit().catch((error: unknown) => this.#parts.log.error("looking after the host's side of networks failed", { error })).finally(() => this.#armAudit());
    });
  }
}

/** Whether a listing shows the rules and exactly these forwardings. */
function isListed(listing: string, { fingerprint, forwardings }: { fingerprint: string; forwardings: readonly Forwarding[] }): boolean {
  if (skeletonFingerprint(listing) !== fingerprint) return false;
  const listed = [...listing.matchAll(/map (\w+) \{[^}]*?elements = \{([^}]*)\}/g)].flatMap((match) => match[2]!.split(",").map((element) => `${match[1]} ${element.trim().replace(/\s+/g, " ")}`));
  const wanted = new Set(forwardings.map((each) => `${each.map} ${each.hostAddress === undefined ? "" : `${each.hostAddress} . `}${each.hostPort} : ${each.address} . ${each.port}`));
  return listed.length === wanted.size && listed.every((each) => wanted.has(each));
}

const skeletonFingerprint = (listing: string): string => rulesFingerprint(listing.replace(/(map \w+ \{[^}]*?)elements = \{[^}]*\}/g, "$1"));

async function nft(text: string): Promise<void> {
  const result = await runByHelper(["nft", "-f", "-"], { stdin: text });
  if (result.exitCode !== 0) throw new SwarmError("INTERNAL", `Cannot write the host's rules with nft: ${result.stderr.trim().split("\n").slice(0, 3).join("; ") || "no reason given"}`);
}

const tryRead = (path: string): string | undefined => { try { return readFileSync(path, "utf8"); } catch { return undefined; } };
const get = (name: string): string | undefined => tryRead(`/proc/sys/${name}`)?.trim();
function set(name: string, value: string): void { if (tryRead(`/proc/sys/${name}`) !== undefined) writeFileSync(`/proc/sys/${name}`, value); }

/** A small file of the host's; "" where it is missing. Synchronous: a hundredth of a millisecond, where four turns through the thread pool may take many. */
export const readHostFile = (path: string): string => tryRead(path) ?? "";
