import { join } from "node:path";
import { KeyedLock, SwarmError, backoffMs, messageOf, type Clock, type Logger, type Timer } from "../lib/index.js";
import { createKernel, netnsPathOf, openHostLinks, readUpstreamServers, rulesFingerprint, type HostLinks, type Kernel, type KernelStep, type ProgramRunner } from "../linux/index.js";
import { addressOf, formatCidr, parseCidr, parseIpv4, type Cidr, type Network } from "../model/index.js";
import type { Overlay, OverlayState, Sandbox, SandboxSpec } from "./api.js";
import { balanceOf, withdrawnBackends, type Balance } from "./core/balance.js";
import { desiredHost } from "./core/desired-host.js";
import { assumeDone, diffHost, type HostChange, type ObservedHost } from "./core/diff-host.js";
import { buildDnsTable, type DnsTable } from "./core/dns-table.js";
import { hostNetworks, type HostNetwork } from "./core/host-network.js";
import { protocolOf, publishedPorts, renderHostRules } from "./core/host-rules.js";
import { localGateway, nextLocalAddress } from "./core/local-pool.js";
import { hash64, isOurLink, isTunnelName, netnsName, sandboxIdOf, sandboxPrefix, vethName } from "./core/names.js";
import { hostsOf, planSandbox, primaryInterface, resolvConfOf, visibleNetworks, type SandboxRecord } from "./core/sandbox.js";
import { isSandboxListing, renderBalanceChange, renderSandboxRules } from "./core/sandbox-rules.js";
import { DnsServer } from "./dns/dns-server.js";
import { settleHostPorts } from "./host-ports.js";
import { sandboxChange, sandboxRulesStep, unplumb } from "./plumb.js";
import { SandboxStore } from "./sandbox-store.js";

export interface OverlayConfig {
  readonly stateDir: string;
  readonly runDir?: string;                // accepted beside stateDir; nothing is kept there, namespaces are in /run/netns
  /** This host's underlay address. Not known yet: "" or absent; see setNodeAddr. */
  readonly nodeAddr?: string;
  readonly log: Logger;
  readonly clock: Clock;
  readonly localBridgeSubnet?: string;     // for sandboxes on no network; 172.30.0.0/16, this host's own
  readonly upstreamDns?: readonly string[]; // default: /etc/resolv.conf, read again at each audit
  readonly dnsPort?: number;               // 10053; another one is chosen when it is taken
  readonly auditMs?: number;               // 30_000
  readonly run?: ProgramRunner;            // default: as children of this process
  readonly kernel?: Kernel;                // default: the real one
}

export interface OverlayStats { readonly repairs: number; readonly audits: number; readonly sandboxes: number }

export interface HostOverlay extends Overlay {
  /** The underlay address became known or changed: tunnels are made (again) with it. Resolves when the kernel agrees. */
  setNodeAddr(addr: string): Promise<void>;
  /** Compares everything with the kernel now, and repairs. Resolves with the number of differences found. */
  audit(): Promise<number>;
  stats(): OverlayStats;
}

export async function openOverlay(config: OverlayConfig): Promise<HostOverlay> {
  const overlay = new KernelOverlay(config);
  await overlay.open();
  return overlay;
}

const idPattern = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/;
const sandboxesPerAudit = 8;               // their rules are read one by one; containers cannot change them without NET_ADMIN

class KernelOverlay implements HostOverlay {
  readonly #config: OverlayConfig;
  readonly #log: Logger;
  readonly #kernel: Kernel;
  readonly #links: HostLinks;
  readonly #store: SandboxStore;
  readonly #dns: DnsServer;
  readonly #localSubnet: Cidr;
  readonly #locks = new KeyedLock();
  readonly #records = new Map<string, SandboxRecord>();
  /** What the rules inside each sandbox balance now. Missing: not known, to be written whole. */
  readonly #balances = new Map<string, Balance>();
  #nodeAddr: string;
  #underlayMtu = 1500;
  #state: OverlayState | undefined;
  #table: DnsTable | undefined;
  /** What the last pass left behind. Undefined: ask the kernel. */
  #observed: ObservedHost | undefined;
  #rules: { text: string; fingerprint: string } | undefined;
  #upstream: readonly string[];
  #lastLocalAddr = "";
  #hasConntrack = false;
  #auditCursor = 0;
  #stats = { repairs: 0, audits: 0 };
  #failures = 0;
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #isAuditWanted = false;
  #isClosed = false;

  constructor(config: OverlayConfig) {
    const subnet = parseCidr(config.localBridgeSubnet ?? "172.30.0.0/16");
    if (!subnet || subnet.prefix > 29) {
      throw new SwarmError("INVALID_ARGUMENT",
        `Cannot start the overlay: local bridge subnet "${config.localBridgeSubnet}" is not an IPv4 range of 8 addresses or more; write one such as 172.30.0.0/16.`);
    }
    this.#config = config;
    this.#log = config.log.with({ area: "overlay" });
    this.#kernel = config.kernel ?? createKernel({ log: this.#log, run: config.run });
    this.#links = openHostLinks({ log: this.#log });
    this.#store = new SandboxStore(join(config.stateDir, "sandboxes"), this.#log);
    this.#localSubnet = subnet;
    this.#nodeAddr = config.nodeAddr ?? "";
    this.#upstream = config.upstreamDns ?? [];
    this.#dns = new DnsServer({
      log: this.#log, preferredPort: config.dnsPort ?? 10_053, table: () => this.#dnsTable(),
      upstream: () => this.#upstream.filter((server) => server !== "127.0.0.11"),
    });
  }

  async open(): Promise<void> {
    const namespaces = new Set(await this.#kernel.listNamespaces(sandboxPrefix));
    for (const record of await this.#store.load()) {
      // The kernel forgot it (a reboot): whoever owns it attaches it again.
      if (namespaces.has(netnsName(record.id))) this.#records.set(record.id, record);
      else await this.#store.remove(record.id);
    }
    await this.#readUpstream();
    this.#hasConntrack = await this.#kernel.hasTool("conntrack");
    this.#armAudit(this.#config.auditMs ?? 30_000);
    this.#log.info("opened the overlay", { sandboxes: this.#records.size, nodeAddr: this.#nodeAddr });
  }

  apply(state: OverlayState): Promise<void> {
    this.#state = state;
    this.#table = undefined;
    return this.#reconcile();
  }

  async setNodeAddr(addr: string): Promise<void> {
    if (addr === this.#nodeAddr) return;
    this.#nodeAddr = addr;
    this.#observed = undefined; // the MTU is that of another link
    await this.#reconcile();
  }

  attach(spec: SandboxSpec): Promise<Sandbox> {
    if (!idPattern.test(spec.id)) {
      throw new SwarmError("INVALID_ARGUMENT", `Cannot attach task "${spec.id}": its id may have letters, digits, "_", "." and "-" only.`);
    }
    return this.#locks.run(spec.id, async () => {
      const netns = netnsName(spec.id);
      const isNamespaceThere = (await this.#kernel.listNamespaces(netns)).includes(netns);
      const before = this.#records.get(spec.id);
      // Adopted as it is, above all by a new daemon that does not know its networks yet: a running task keeps its connections.
      if (before && isNamespaceThere && isAlreadyAttached(spec, before)) return sandboxOf(before);
      if (this.#observed === undefined) await this.#reconcile();
      const record = await this.#plan(spec, before);
      await this.#store.save(record);
      this.#records.set(record.id, record);
      this.#table = undefined;
      try {
        if (before && isNamespaceThere && !isSamePlumbing(before, record)) {
          await unplumb(this.#links, spec.id, before.interfaces.map((port) => port.veth));
          await this.#plumb(record, false);
        } else await this.#plumb(record, isNamespaceThere);
        if (record.hostPorts.length > 0 || this.#isBehind(record)) await this.#reconcile();
      } catch (error) {
        throw error instanceof SwarmError && error.code !== "INTERNAL" ? error
          : new SwarmError("INTERNAL", `Cannot attach task "${spec.id}": ${messageOf(error)}`, { cause: error });
      }
      return sandboxOf(record);
    });
  }

  detach(id: string): Promise<void> {
    return this.#locks.run(id, async () => {
      const netns = netnsName(id);
      const record = this.#records.get(id);
      const isNamespaceThere = (await this.#kernel.listNamespaces(netns)).includes(netns);
      if (!record && !isNamespaceThere) return;
      const veths = record?.interfaces.map((port) => port.veth) ?? Array.from({ length: 8 }, (_, index) => vethName(id, index));
      await unplumb(this.#links, id, veths);
      if ((await this.#kernel.listNamespaces(netns)).includes(netns)) {
        throw new SwarmError("INTERNAL", `Cannot remove the network namespace "${netns}": the kernel still lists it; try again, or see "ip netns del ${netns}".`);
      }
      this.#records.delete(id);
      this.#balances.delete(id);
      this.#table = undefined;
      await this.#store.remove(id);
      if (record && record.hostPorts.length > 0) await this.#reconcile();
    });
  }

  async list(): Promise<string[]> { return (await this.#kernel.listNamespaces(sandboxPrefix)).map(sandboxIdOf); }

  async audit(): Promise<number> {
    const before = this.#stats.repairs;
    this.#isAuditWanted = true;
    await this.#reconcile();
    return this.#stats.repairs - before;
  }

  stats(): OverlayStats { return { ...this.#stats, sandboxes: this.#records.size }; }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await (this.#next ?? this.#running)?.catch(() => {});
    await this.#dns.close();
    this.#links.close();
  }

  async destroy(): Promise<void> {
    await this.close();
    const { links } = await this.#kernel.observe();
    const ours = links.map((link) => link.name).filter(isOurLink);
    const namespaces = await this.#kernel.listNamespaces(sandboxPrefix);
    await this.#kernel.apply([
      { tool: "ip", isTolerant: true, lines: [...ours.map((name) => `link del ${name}`), ...namespaces.map((name) => `netns del ${name}`)] },
      { tool: "nft", text: "add table ip skein\ndelete table ip skein\n" },
    ]);
    this.#records.clear();
    await this.#store.removeAll();
    const left = (await this.#kernel.observe()).links.map((link) => link.name).filter(isOurLink);
    if (left.length > 0) throw new SwarmError("INTERNAL", `Cannot take the overlay off this host: the kernel keeps ${left.join(", ")}; remove them with "ip link del".`);
  }

  // ---- reconciling -------------------------------------------------------------------------------------------------------------

  /** Resolves when a pass that began after this call is done. Calls that come while one waits to begin share it. */
  #reconcile(): Promise<void> {
    if (this.#isClosed) return Promise.reject(new SwarmError("CANCELLED", "Cannot change the network: the overlay is closed; this node is shutting down."));
    this.#next ??= this.#startAfter(this.#running);
    return this.#next;
  }

  async #startAfter(running: Promise<void> | undefined): Promise<void> {
    await running?.catch(() => {});
    this.#running = this.#next;
    this.#next = undefined;
    const isAudit = this.#isAuditWanted;
    this.#isAuditWanted = false;
    try {
      await this.#pass(isAudit);
      this.#failures = 0;
    } catch (error) {
      // Whatever was assumed may be wrong now. Soon again, by what the kernel really holds.
      this.#observed = undefined;
      this.#rules = undefined;
      this.#log.warn("could not bring the network into its wanted state", { error: messageOf(error), failures: this.#failures + 1 });
      this.#armAudit(backoffMs(this.#failures++, { baseMs: 500, maxMs: 30_000 }, () => 0.5));
      throw error;
    }
  }

  async #pass(isAudit: boolean): Promise<void> {
    const isFirst = this.#observed === undefined;
    const isAssumed = !isFirst && !isAudit;
    const observed = this.#observed && !isAudit ? { ...this.#observed, rules: undefined } : await this.#observe();
    const state = this.#state;
    const records = [...this.#records.values()];
    // A daemon that came back, and has not heard yet what this host shall hold, leaves alone what it finds.
    const isAdopting = state === undefined && observed.links.some((link) => isTunnelName(link.name));
    const networks = this.#hostNetworks();
    const desired = desiredHost({
      nodeId: state?.nodeId ?? "", dataPort: state?.dataPort ?? 0, nodeAddr: this.#effectiveAddr(), networks: isAdopting ? [] : networks,
      endpoints: state?.endpoints ?? [], nodeAttachments: state?.nodeAttachments ?? [], sandboxes: records, local: this.#local(),
    });
    const change = diffHost(desired, observed, { isAdditive: state === undefined, isAssumed });
    const bridges = desired.bridges.map((bridge) => bridge.name);
    await this.#kernel.apply(hostSteps(change, isFirst ? bridges : change.newBridges.filter((name) => bridges.includes(name)), isFirst));
    if (!isAdopting) this.#observed = assumeDone(desired);
    let repairs = isFirst ? [] : [...change.reasons];
    if (isAudit) await this.#replumb(change.missingPorts);

    await this.#dns.listenOn(desired.bridges.map((bridge) => bridge.addr).filter(Boolean));
    if (!isAdopting) repairs = [...repairs, ...await this.#applyHostRules(networks, records, isAudit ? observed.rules ?? "" : undefined)];
    await this.#applyBalances(records);
    if (isAudit) {
      repairs = [...repairs, ...await this.#auditSandboxes(records)];
      await this.#readUpstream();
      this.#stats.audits++;
      if (repairs.length > 0) {
        this.#stats.repairs += repairs.length;
        this.#log.warn("repaired the network: the kernel differed from the wanted state", { repairs: repairs.length, first: repairs.slice(0, 5).join("; ") });
      }
    }
  }

  async #observe(): Promise<ObservedHost & { rules: string }> {
    const observed = await this.#kernel.observe();
    const addr = this.#effectiveAddr();
    const device = observed.addresses.find((row) => row.addr === addr)?.device;
    this.#underlayMtu = observed.links.find((link) => link.name === device)?.mtu ?? this.#underlayMtu;
    return observed;
  }

  async #applyHostRules(networks: readonly HostNetwork[], records: readonly SandboxRecord[], listing: string | undefined): Promise<string[]> {
    const local = this.#local();
    const text = renderHostRules({
      networks, local: { gateway: local.gateway, subnet: formatCidr(this.#localSubnet) }, dnsPort: this.#dns.port,
      published: publishedPorts(this.#state?.endpoints ?? [], networks), seed: seedOf(this.#state?.nodeId ?? ""),
      hostPorts: records.flatMap((record) => record.hostPorts.map((port) => ({
        protocol: protocolOf(port), port: port.publishedPort, addr: primaryInterface(record).addr, targetPort: port.targetPort,
      }))),
    });
    const isDrifted = listing !== undefined && this.#rules !== undefined && rulesFingerprint(listing) !== this.#rules.fingerprint;
    if (text === this.#rules?.text && !isDrifted) return [];
    await this.#kernel.apply([{ tool: "nft", text }]);
    const [now] = await this.#kernel.listRules([undefined]);
    this.#rules = { text, fingerprint: rulesFingerprint(now ?? "") };
    return isDrifted ? ["table ip skein: differs"] : [];
  }

  async #applyBalances(records: readonly SandboxRecord[]): Promise<void> {
    if (this.#state === undefined) return;
    const changes = records.filter((record) => !this.#locks.isHeld(record.id)).map((record) => {
      const before = this.#balances.get(record.id);
      const after = this.#balanceOf(record);
      return { record, before, after, text: this.#balanceText(record, before, after) };
    }).filter((change) => change.text !== "");
    if (changes.length === 0) return;
    const stepsOf = ({ record, before, after, text }: (typeof changes)[number]): KernelStep[] => {
      const netns = netnsName(record.id);
      const withdrawn = before && this.#hasConntrack ? withdrawnBackends(before, after) : [];
      return [
        { tool: "nft", netns, text },
        // A UDP client that keeps its port would be sent to the old place for as long as it talks.
        ...(withdrawn.length > 0 ? [{ tool: "conntrack" as const, netns, protocol: "udp" as const, backends: withdrawn }] : []),
      ];
    };
    try {
      await this.#kernel.apply(changes.flatMap(stepsOf));
      for (const { record, after } of changes) this.#balances.set(record.id, after);
    } catch (error) {
      this.#log.debug("balancing rules one by one, since not all could be changed at once", { error });
      let failure: unknown;
      for (const change of changes) {
        if (!this.#records.has(change.record.id) || this.#locks.isHeld(change.record.id)) continue;
        const whole = this.#balanceText(change.record, undefined, change.after);
        try {
          await this.#kernel.apply([{ tool: "nft", netns: netnsName(change.record.id), text: whole }]);
          this.#balances.set(change.record.id, change.after);
        } catch (cause) { this.#balances.delete(change.record.id); failure = cause; }
      }
      if (failure) throw failure;
    }
  }

  /** A share of the sandboxes each time, so that an audit's cost does not grow with their number. */
  async #auditSandboxes(records: readonly SandboxRecord[]): Promise<string[]> {
    const ordered = records.filter((record) => this.#balances.has(record.id) && !this.#locks.isHeld(record.id));
    if (ordered.length === 0) return [];
    const share = Array.from({ length: Math.min(sandboxesPerAudit, ordered.length) }, (_, i) => ordered[(this.#auditCursor + i) % ordered.length]!);
    this.#auditCursor = (this.#auditCursor + share.length) % ordered.length;
    const expected = share.map((record) => this.#balances.get(record.id)!);
    const listings = await this.#kernel.listRules(share.map((record) => netnsName(record.id)));
    const drifted = share.filter((record, i) => this.#balances.get(record.id) === expected[i] && !this.#locks.isHeld(record.id) &&
      !isSandboxListing(listings[i]!, { balance: expected[i]!, dnsVia: record.dnsVia, seed: seedOf(record.id) }));
    for (const record of drifted) this.#balances.delete(record.id);
    await this.#applyBalances(drifted);
    return drifted.map((record) => `${netnsName(record.id)}: rules differ`);
  }

  /** Interfaces that vanished (somebody deleted them): only their whole sandbox can be plumbed again. */
  async #replumb(missingPorts: readonly string[]): Promise<void> {
    const missing = new Set(missingPorts);
    const namespaces = missing.size > 0 ? new Set(await this.#kernel.listNamespaces(sandboxPrefix)) : new Set<string>();
    for (const record of this.#records.values()) {
      if (!record.interfaces.some((port) => missing.has(port.veth)) || this.#locks.isHeld(record.id)) continue;
      if (!namespaces.has(netnsName(record.id))) {
        this.#log.warn("a sandbox lost its namespace; its task has no network until it is attached again", { sandbox: record.id });
        continue;
      }
      await this.#locks.run(record.id, () => this.#plumbWhereThere(record));
    }
  }

  // ---- sandboxes ---------------------------------------------------------------------------------------------------------------

  #plan(spec: SandboxSpec, before: SandboxRecord | undefined): Promise<SandboxRecord> {
    // One at a time: two that plan at once would choose one address, or one port, twice.
    return this.#locks.run("", async () => {
      const others = [...this.#records.values()].filter((record) => record.id !== spec.id);
      const local = this.#local();
      const localAddr = spec.attachments.length > 0 ? "" : before?.interfaces.find((port) => port.networkId === "")?.addr ?? this.#nextLocalAddr(others);
      const taken = new Set(others.flatMap((record) => record.hostPorts.map((port) => `${protocolOf(port)}/${port.publishedPort}`)));
      const hostPorts = before && isSamePorts(spec, before) ? before.hostPorts : await settleHostPorts(spec.id, spec.hostPorts, taken);
      const record = planSandbox({
        id: spec.id, attachments: spec.attachments, hostname: spec.hostname, extraHosts: spec.extraHosts, dns: spec.dns, hostPorts,
        hostNetworks: this.#hostNetworks(), networks: this.#networks(), local: { ...local, addr: localAddr },
      });
      // From here on the address and the ports are taken, also for who plans next; the record is saved by the caller.
      if (!before) this.#records.set(record.id, record);
      return record;
    });
  }

  #nextLocalAddr(others: readonly SandboxRecord[]): string {
    const used = new Set(others.flatMap((record) => record.interfaces.filter((port) => port.networkId === "").map((port) => port.addr)));
    const addr = nextLocalAddress(this.#localSubnet, used, this.#lastLocalAddr);
    if (addr === undefined) {
      throw new SwarmError("RESOURCE_EXHAUSTED", `Cannot attach a task to this host's bridge: ${formatCidr(this.#localSubnet)} is used up; remove containers, or configure a wider range.`);
    }
    this.#lastLocalAddr = addr;
    return addr;
  }

  async #plumb(record: SandboxRecord, isNamespaceThere: boolean): Promise<void> {
    await this.#reconcile(); // its bridges
    if (isNamespaceThere) return this.#plumbWhereThere(record);
    const balance = this.#balanceOf(record);
    const plumbNew = async () => {
      await this.#links.makeNamespace(netnsPathOf(netnsName(record.id)));
      await this.#kernel.apply([sandboxRulesStep(record, balance, { seed: seedOf(record.id), isNamespaceNew: true })]);
      await this.#links.change(sandboxChange(record, { isNamespaceNew: true, presentVeths: new Set() }));
    };
    try { await plumbNew(); }
    catch (error) {
      this.#log.debug("plumbing a sandbox anew", { sandbox: record.id, error });
      await unplumb(this.#links, record.id, record.interfaces.map((port) => port.veth));
      await plumbNew();
    }
    this.#balances.set(record.id, balance);
  }

  async #plumbWhereThere(record: SandboxRecord): Promise<void> {
    const presentVeths = new Set((await this.#links.links()).map((link) => link.name));
    const balance = this.#balanceOf(record);
    await this.#kernel.apply([sandboxRulesStep(record, balance, { seed: seedOf(record.id), isNamespaceNew: false })]);
    await this.#links.change(sandboxChange(record, { isNamespaceNew: false, presentVeths }));
    this.#balances.set(record.id, balance);
  }

  #isBehind(record: SandboxRecord): boolean {
    return this.#balanceText(record, this.#balances.get(record.id), this.#balanceOf(record)) !== "";
  }

  #balanceOf(record: SandboxRecord): Balance { return balanceOf(new Set(visibleNetworks(record)), this.#state?.endpoints ?? []); }

  #balanceText(record: SandboxRecord, before: Balance | undefined, after: Balance): string {
    return before ? renderBalanceChange(before, after, seedOf(record.id))
      : renderSandboxRules({ balance: after, dnsVia: record.dnsVia, seed: seedOf(record.id) });
  }

  // ---- views -------------------------------------------------------------------------------------------------------------------

  #networks(): Network[] {
    const known = new Map<string, Network>();
    for (const record of this.#records.values()) for (const network of record.networks) known.set(network.id, network);
    for (const network of this.#state?.networks ?? []) known.set(network.id, network);
    return [...known.values()];
  }

  #hostNetworks(): HostNetwork[] {
    return hostNetworks(this.#networks(), this.#state?.nodeAttachments ?? [], { nodeId: this.#state?.nodeId ?? "", underlayMtu: this.#underlayMtu });
  }

  /** Told, or else as the cluster sees this node. */
  #effectiveAddr(): string {
    if (this.#nodeAddr !== "") return this.#nodeAddr;
    const state = this.#state;
    const seen = state?.nodeAttachments.flatMap((set) => set.nodes).find((node) => node.nodeId === state.nodeId)?.vtep
      ?? state?.endpoints.flatMap((set) => set.endpoints).find((endpoint) => endpoint.nodeId === state.nodeId)?.vtep ?? "";
    return parseIpv4(addressOf(seen)) === undefined ? "" : seen;
  }

  #local() { return { gateway: localGateway(this.#localSubnet), prefix: this.#localSubnet.prefix, mtu: this.#underlayMtu, subnet: formatCidr(this.#localSubnet) }; }

  #dnsTable(): DnsTable {
    this.#table ??= buildDnsTable(this.#hostNetworks(), this.#state?.endpoints ?? [], [...this.#records.values()]);
    return this.#table;
  }

  async #readUpstream(): Promise<void> { if (!this.#config.upstreamDns) this.#upstream = await readUpstreamServers(); }

  #armAudit(delayMs: number): void {
    this.#timer?.cancel();
    if (this.#isClosed) return;
    this.#timer = this.#config.clock.after(delayMs, () => {
      this.#armAudit(this.#config.auditMs ?? 30_000);
      this.audit().catch(() => {}); // logged where it failed, and armed again
    });
  }
}

function hostSteps(change: HostChange, bridges: readonly string[], isFirst: boolean): KernelStep[] {
  const settings: Record<string, string> = {
    ...(isFirst ? { "net.ipv4.ip_forward": "1" } : {}),
    // 127.0.0.1:port of a published port: the host's own connections go out of the bridge with a loopback source before they are
    // masqueraded, and their replies come back the same way.
    ...Object.fromEntries(bridges.flatMap((name) => [[`net.ipv4.conf.${name}.route_localnet`, "1"], [`net.ipv4.conf.${name}.rp_filter`, "0"]])),
  };
  const steps: KernelStep[] = [
    { tool: "ip", lines: change.prune, isTolerant: true },
    { tool: "ip", lines: change.ip },
    { tool: "bridge", lines: change.bridge },
    { tool: "ip", lines: change.ports, isTolerant: true },
    { tool: "bridge", lines: change.portRows, isTolerant: true },
    { tool: "sysctl", settings },
  ];
  return steps.filter((step) => ("lines" in step ? step.lines.length > 0 : "settings" in step ? Object.keys(step.settings).length > 0 : true));
}

const seedOf = (id: string): number => Number(hash64(id) % 4096n);

const sandboxOf = (record: SandboxRecord): Sandbox => ({
  netnsPath: netnsPathOf(netnsName(record.id)), resolvConf: resolvConfOf(record), hosts: hostsOf(record), hostPorts: record.hostPorts,
});

const plumbingOf = (record: SandboxRecord) => JSON.stringify(record.interfaces.map((port) => [port.networkId, port.addr, port.prefix, port.mac]));
const isSamePlumbing = (a: SandboxRecord, b: SandboxRecord): boolean => plumbingOf(a) === plumbingOf(b);

function isAlreadyAttached(spec: SandboxSpec, record: SandboxRecord): boolean {
  const attached = record.interfaces.filter((port) => port.networkId !== "");
  return attached.length === spec.attachments.length && isSamePorts(spec, record)
    && attached.every((port, index) => port.networkId === spec.attachments[index]!.networkId && port.addr === addressOf(spec.attachments[index]!.addr))
    && JSON.stringify([spec.hostname, spec.extraHosts, spec.dns]) === JSON.stringify([record.hostname, record.extraHosts, record.dns]);
}

/** Whether the ports asked for are those that were settled before; a number that was chosen then stays. */
function isSamePorts(spec: SandboxSpec, before: SandboxRecord): boolean {
  const wanted = spec.hostPorts.filter((port) => port.mode === "HOST");
  return wanted.length === before.hostPorts.length && wanted.every((port, index) => {
    const had = before.hostPorts[index]!;
    return port.protocol === had.protocol && port.targetPort === had.targetPort && (port.publishedPort === 0 || port.publishedPort === had.publishedPort);
  });
}
