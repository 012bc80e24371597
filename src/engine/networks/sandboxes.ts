import { existsSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { SwarmError, messageOf, type Logger } from "../../lib/index.js";
import { parseResolvConf, type HostLinks, type NamespacePort } from "../../linux/index.js";
import type { ContainerConfig, ContainerEndpoint, EndpointConfig, Events, PortBinding } from "../api/index.js";
import type { ContainerAccess, ContainerNetworking, PreparedNetwork } from "../containers/ports.js";
import { changedHostsFile, hostsFile, hostsFileOfHost, isLoopback, resolvConf } from "./core/etc-files.js";
import { gatewayEndpoint, publishedEndpoint } from "./core/host-rules.js";
import { formatIp, isMac, macOf, parseIp, parseSubnet } from "./core/ip-address.js";
import { hostnameOf, initialMembers, modeOf, nextDevice } from "./core/members.js";
import { portRequests } from "./core/port-request.js";
import type { EndpointRecord, LinkRecord, MemberRecord, NetworkRecord, SandboxRecord } from "./core/records.js";
import { readHostFile, type HostNetwork } from "./host-network.js";
import type { HostPorts } from "./host-ports.js";
import type { NamespacePool } from "./namespace-pool.js";
import { newId, type NetworkTable } from "./network-table.js";

export interface SandboxParts {
  readonly table: NetworkTable;
  readonly host: HostNetwork;
  readonly hostPorts: HostPorts;
  readonly links: HostLinks;
  readonly pool: NamespacePool;
  readonly containers: ContainerAccess;
  readonly events: Events;
  readonly log: Logger;
  /** Of the container's image. */
  readonly exposedPorts: (imageId: string) => readonly string[];
  /** The container's /etc files, as they lie on this host. */
  readonly filesOf: (containerId: string) => { readonly hosts: string; readonly resolvConf: string };
  /** Makes the predefined bridge, whose link comes at its first use; other networks are made. */
  readonly ensureMade: (network: NetworkRecord) => Promise<NetworkRecord>;
}

/** Attachment of containers to the engine's networks: namespace, addresses, ports, names. */
export class Sandboxes implements ContainerNetworking {
  constructor(private readonly parts: SandboxParts) {}

  async prepare(config: ContainerConfig): Promise<PreparedNetwork> {
    try {
      // Before a start nothing of the container runs: what an earlier life left is in the way.
      if (this.parts.table.sandboxes.has(config.id)) await this.release(config.id);
      const mode = modeOf(config.network?.mode ?? "none");
      switch (mode.kind) {
        case "host": return await this.#prepareUnattached(config, "host");
        case "none": return await this.#prepareUnattached(config, "none");
        case "joined": return await this.#prepareJoined(config, mode.container);
        case "attached": return await this.#prepareAttached(config);
      }
    } catch (error) {
      if (error instanceof SwarmError && !error.message.startsWith("Cannot attach container")) throw new SwarmError(error.code, `Cannot attach container "${config.name}" to its networks: ${lowerFirst(error.message)}`, { cause: error });
      throw error;
    }
  }

  async release(id: string): Promise<void> {
    const { table, hostPorts, log } = this.parts;
    const sandbox = table.sandboxes.get(id);
    if (!sandbox) return;
    await table.removeSandbox(id);
    hostPorts.giveBack(id);
    try {
      if (sandbox.ports.length > 0) await this.#applyPorts(sandbox);
      await this.#takeDown(sandbox);
    } catch (error) { log.error("giving back a container's network failed; the next start of the engine does it", { container: id, error }); }
    for (const endpoint of sandbox.endpoints) this.#giveBack(endpoint);
    for (const endpoint of sandbox.endpoints) this.#publish("disconnect", endpoint.networkId, id);
    if (sandbox.mode === "host" || sandbox.mode === "none") this.#publish("disconnect", table.byName(sandbox.mode)?.id, id);
  }

  async forget(id: string): Promise<void> {
    await this.release(id);
    await this.parts.table.removeMembership(id);
  }

  endpoints(id: string): readonly ContainerEndpoint[] {
    const { table, containers } = this.parts;
    const config = containers.record(id)?.config;
    const sandbox = table.sandboxes.get(id);
    if (!config?.network && !sandbox) return [];
    const mode = modeOf(config?.network?.mode ?? sandbox?.mode ?? "none");
    if (mode.kind === "joined") return [];
    if (mode.kind === "host" || mode.kind === "none") {
      const network = table.byName(mode.kind);
      return [{ ...emptyEndpoint, networkName: mode.kind, networkId: network?.id ?? "", endpointId: sandbox ? sandbox.joinedId : "", config: config?.network?.endpoints[mode.kind] ?? {} }];
    }
    return (config ? this.members(config) : []).map((member) => {
      const network = table.find(member.network);
      const endpoint = sandbox?.endpoints.find((each) => each.networkId === network?.id);
      const base = { ...emptyEndpoint, networkName: network?.name ?? member.network, networkId: network?.id ?? "", config: member.config };
      return endpoint ? { ...base, ...this.#shown(endpoint, sandbox!) } : base;
    });
  }

  /** On one network, the running containers. */
  endpointsOn(networkId: string): (ContainerEndpoint & { containerId: string; containerName: string })[] {
    const { table, containers } = this.parts;
    const network = table.networks.get(networkId);
    return [...table.sandboxes.values()].flatMap((sandbox) => {
      const containerName = containers.record(sandbox.containerId)?.config.name ?? sandbox.name;
      const of = { containerId: sandbox.containerId, containerName, networkName: network?.name ?? "", networkId, config: {} };
      if (network && (sandbox.mode === "host" || sandbox.mode === "none") && network.name === sandbox.mode && network.isPredefined) return [{ ...emptyEndpoint, ...of, endpointId: sandbox.joinedId }];
      return sandbox.endpoints.filter((endpoint) => endpoint.networkId === networkId).map((endpoint) => ({ ...emptyEndpoint, ...of, ...this.#shown(endpoint, sandbox) }));
    });
  }

  ports(id: string): readonly PortBinding[] {
    return (this.parts.table.sandboxes.get(id)?.ports ?? []).map(({ containerPort, protocol, hostIp, hostPort }) => ({ containerPort, protocol, hostIp, hostPort: String(hostPort) }));
  }

  sandboxKey(id: string): string {
    const sandbox = this.parts.table.sandboxes.get(id);
    return sandbox?.mode === "joined" ? this.sandboxKey(sandbox.joinedId) : sandbox?.netnsPath ?? "";
  }

  /** What a container shall be on: as it was created, unless connect and disconnect have changed that. */
  members(config: ContainerConfig): readonly MemberRecord[] {
    const kept = this.parts.table.memberships.get(config.id);
    if (kept) return kept.endpoints;
    const { table } = this.parts;
    return config.network ? initialMembers(config.network, (a, b) => a === b || (table.find(a) !== undefined && table.find(a) === table.find(b))) : [];
  }

  // ---- connect and disconnect --------------------------------------------------------------------------------------------------

  connect(network: NetworkRecord, containerId: string, wishes: EndpointConfig): Promise<void> {
    const { containers, table } = this.parts;
    const { name } = containers.require(containerId, "connect").config;
    const refuse = (code: ConstructorParameters<typeof SwarmError>[0], why: string): never => { throw new SwarmError(code, `Cannot connect container "${name}" to network "${network.name}": ${why}`); };
    return containers.exclusively(containerId, async () => {
      const { config } = containers.require(containerId, "connect");
      if (network.driver === "host") refuse("PERMISSION_DENIED", "container cannot be connected to host network; create it with --network host");
      if (network.driver === "null") refuse("PERMISSION_DENIED", "container cannot be connected to multiple networks with one of the networks in private (none) mode");
      if (!config.network) return refuse("FAILED_PRECONDITION", config.netnsPath ? "it is a task of a service, whose networks are the service's; change them with: swarmctl service update" : "it was created with no networks");
      const mode = modeOf(config.network.mode);
      if (mode.kind === "host") refuse("PERMISSION_DENIED", "container sharing network namespace with the host cannot be connected to any other network");
      if (mode.kind === "joined") refuse("PERMISSION_DENIED", "container sharing network namespace with another container cannot be connected to any other network");
      const members = this.members(config);
      const isPrivate = mode.kind === "none" && members.length === 0;
      if (isPrivate) refuse("PERMISSION_DENIED", "container cannot be connected to multiple networks with one of the networks in private (none) mode");
      if (members.some((member) => table.find(member.network)?.id === network.id)) refuse("PERMISSION_DENIED", `endpoint with name ${name} already exists in network ${network.name}; disconnect it first`);
      const member: MemberRecord = { network: network.id, config: wishes };
      try {
        this.#checkWishes(network, wishes);
        const sandbox = table.sandboxes.get(containerId);
        if (sandbox) await this.#attachLive(sandbox, await this.parts.ensureMade(network), member, config);
        await table.putMembership({ containerId, endpoints: [...members, member] });
      } catch (error) { if (error instanceof SwarmError) refuse(error.code, lowerFirst(error.message)); throw error; }
    });
  }

  disconnect(network: NetworkRecord, containerId: string, { force = false }: { force?: boolean } = {}): Promise<void> {
    const { containers, table } = this.parts;
    const record = force ? containers.record(containerId) : containers.require(containerId, "disconnect");
    const refuse = (code: ConstructorParameters<typeof SwarmError>[0], why: string): never => { throw new SwarmError(code, `Cannot disconnect container "${record?.config.name ?? containerId}" from network "${network.name}": ${why}`); };
    return containers.exclusively(containerId, async () => {
      if (network.driver === "host") refuse("PERMISSION_DENIED", "container cannot be disconnected from host network");
      const sandbox = table.sandboxes.get(containerId);
      const members = record ? this.members(record.config) : [];
      const left = members.filter((member) => table.find(member.network)?.id !== network.id);
      if (left.length === members.length && !sandbox?.endpoints.some((endpoint) => endpoint.networkId === network.id)) refuse("PERMISSION_DENIED", `container ${containerId.slice(0, 12)} is not connected to network ${network.name}`);
      if (sandbox) await this.#detachLive(sandbox, network, record?.config);
      if (record) await table.putMembership({ containerId, endpoints: left });
    });
  }

  async #attachLive(sandbox: SandboxRecord, network: NetworkRecord, member: MemberRecord, config: ContainerConfig): Promise<void> {
    const { table } = this.parts;
    const device = nextDevice(sandbox.endpoints.map((endpoint) => endpoint.device));
    const endpoint = this.#allocate(config, network, member, device, this.parts.pool.newHostLink());
    const changed = this.#withResolver({ ...sandbox, endpoints: [...sandbox.endpoints, endpoint] });
    await table.putSandbox(changed);
    try {
      await this.#change(changed, { added: [await this.#portOf(endpoint, network, false)], removed: [], isNew: false });
      await this.parts.host.applyRules();
    } catch (error) {
      await table.putSandbox(sandbox);
      this.#giveBack(endpoint);
      await this.#change(sandbox, { added: [], removed: [device], isNew: false }).catch((cause: unknown) => this.parts.log.warn("undoing a connect failed", { container: config.id, error: cause }));
      throw error;
    }
    await this.#changeHosts(config, [], [endpoint]);
    if (changed.hasResolver && !sandbox.hasResolver) {
      const { resolvConf: text } = this.#filesFor(config, changed);
      await this.#rewrite(config, "resolvConf", () => text);
    }
    this.#publish("connect", network.id, config.id);
  }

  async #detachLive(sandbox: SandboxRecord, network: NetworkRecord, config: ContainerConfig | undefined): Promise<void> {
    const endpoint = sandbox.endpoints.find((each) => each.networkId === network.id);
    if (!endpoint) return;
    const changed: SandboxRecord = { ...sandbox, endpoints: sandbox.endpoints.filter((each) => each !== endpoint) };
    await this.parts.table.putSandbox(changed);
    await this.parts.host.applyRules();
    if (endpoint.hostLink) await this.parts.links.unplug(endpoint.hostLink);
    await this.#change(changed, { added: [], removed: [endpoint.device], isNew: false });
    this.#giveBack(endpoint);
    if (config) await this.#changeHosts(config, [endpoint], []);
    this.#publish("disconnect", network.id, sandbox.containerId);
  }

  /** Lines that the container wrote itself stay. */
  async #changeHosts(config: ContainerConfig, removed: readonly EndpointRecord[], added: readonly EndpointRecord[]): Promise<void> {
    const addresses = (list: readonly EndpointRecord[]) => list.flatMap((endpoint) => [endpoint.ipv4, endpoint.ipv6].filter(Boolean));
    await this.#rewrite(config, "hosts", (text) => changedHostsFile(text, addresses(removed), addresses(added), hostnameOf(config), config.domainname ?? ""));
  }

  /** In place, since the container sees this very file. */
  async #rewrite(config: ContainerConfig, name: "hosts" | "resolvConf", change: (text: string) => string): Promise<void> {
    try {
      const file = await open(this.parts.filesOf(config.id)[name], "r+");
      try {
        const changed = change(await file.readFile("utf8"));
        await file.truncate(0);
        await file.write(changed, 0);
      } finally { await file.close(); }
    } catch (error) { this.parts.log.warn("changing a file in a container's /etc failed", { container: config.id, name, error: messageOf(error) }); }
  }

  // ---- prepare -----------------------------------------------------------------------------------------------------------------

  async #prepareUnattached(config: ContainerConfig, mode: "host" | "none"): Promise<PreparedNetwork> {
    const { table } = this.parts;
    const wishes = config.network;
    await table.putSandbox({ ...emptySandbox(config), mode, joinedId: newId() });   // here the endpoint's id: these two have no endpoint records
    this.#publish("connect", table.byName(mode)?.id, config.id);
    const ofHost = readHostFile("/etc/resolv.conf");
    return {
      namespace: { kind: mode === "host" ? "host" : "own" },
      resolvConf: wishes?.dns?.length || wishes?.dnsSearch?.length || wishes?.dnsOptions?.length
        ? resolvConf({ ofHost, servers: wishes.dns?.length ? wishes.dns : parseResolvConf(ofHost), search: wishes.dnsSearch ?? [], options: wishes.dnsOptions ?? [], hasResolver: false }) : ofHost,
      hosts: mode === "host" ? hostsFileOfHost(readHostFile("/etc/hosts"), wishes?.extraHosts ?? [])
        : hostsFile({ hostname: hostnameOf(config), domainname: config.domainname ?? "", addresses: [], extraHosts: wishes?.extraHosts ?? [], hostGateway: undefined, linked: [] }),
    };
  }

  async #prepareJoined(config: ContainerConfig, container: string): Promise<PreparedNetwork> {
    const { containers, table } = this.parts;
    const other = this.#findContainer(container) ?? refuseJoin("NOT_FOUND", `no such container: ${container.slice(0, 80)}`);
    if (other === config.id) refuseJoin("INVALID_ARGUMENT", "a container cannot join its own network; name another one");
    const record = containers.record(other)!;
    if (record.phase !== "running" || !record.process) refuseJoin("FAILED_PRECONDITION", `cannot join network of a non running container: ${record.config.name}; start that one first`);
    const sandbox = table.sandboxes.get(other);
    const target = sandbox?.mode === "joined" ? table.sandboxes.get(sandbox.joinedId) : sandbox;
    const files = this.parts.filesOf(other);
    const etc = { hosts: readHostFile(files.hosts), resolvConf: readHostFile(files.resolvConf) };
    await table.putSandbox({ ...emptySandbox(config), mode: "joined", joinedId: other });
    if (target?.mode === "host") return { namespace: { kind: "host" }, ...etc };
    // Without a namespace of ours ("none", a task's) it is the one of its process.
    const path = target?.netnsPath || record.config.netnsPath || `/proc/${record.process!.pid}/ns/net`;
    return { namespace: { kind: "path", path }, ...etc };
  }

  async #prepareAttached(config: ContainerConfig): Promise<PreparedNetwork> {
    const { table, host, hostPorts, pool, links } = this.parts;
    const wishes = config.network!;
    const members = this.members(config);
    const attached: { network: NetworkRecord; member: MemberRecord }[] = [];
    for (const member of members) {
      const network = table.find(member.network);
      if (!network) throw new SwarmError("NOT_FOUND", `network ${member.network} not found; create it, or disconnect the container from it`);
      if (network.driver === "host" || network.driver === "null") throw new SwarmError("INVALID_ARGUMENT", `network ${network.name} can only be a container's one and only; leave the others out`);
      if (attached.some((each) => each.network.id === network.id)) continue;
      this.#checkWishes(network, member.config);
      attached.push({ network: await this.parts.ensureMade(network), member });
    }
    const ready = attached[0]?.network.driver === "bridge" ? pool.take() : undefined;
    const netnsPath = ready?.path ?? pool.newPath();
    const endpoints: EndpointRecord[] = [];
    let sandbox: SandboxRecord = { ...emptySandbox(config), netnsPath, dns: wishes.dns ?? [] };
    try {
      for (const [index, { network, member }] of attached.entries()) {
        endpoints.push(this.#allocate(config, network, member, `eth${index}`, index === 0 && ready ? ready.hostLink : network.driver === "bridge" ? pool.newHostLink() : ""));
      }
      // Seen from here on, so that nobody removes the networks meanwhile.
      sandbox = this.#withResolver({ ...sandbox, endpoints, links: this.#linksOf(wishes.links ?? [], config) });
      table.holdSandbox(sandbox);
      const target = publishedEndpoint(endpoints, table.networks);
      const network = target && table.networks.get(target.networkId);
      const record = this.parts.containers.record(config.id);
      const exposed = [...new Set([...config.exposedPorts ?? [], ...(wishes.publishAll && record ? this.parts.exposedPorts(record.imageId) : [])])];
      const requests = network ? portRequests(wishes.ports, exposed, { publishAll: wishes.publishAll ?? false, defaultHostIp: network.settings.hostIp, hasIpv6: target.ipv6 !== "" }) : [];
      const ports = await hostPorts.take(config.id, requests);
      sandbox = { ...sandbox, ports };
      await table.putSandbox(sandbox);
      if (!ready) await links.makeNamespace(netnsPath);
      const added = await Promise.all(attached.map(({ network: each }, index) => this.#portOf(endpoints[index]!, each, index === 0 && ready !== undefined)));
      await this.#change(sandbox, { added, removed: [], isNew: true });
      if (ports.length > 0) await this.#applyPorts(sandbox);
      const files = this.#filesFor(config, sandbox);
      for (const endpoint of endpoints) this.#publish("connect", endpoint.networkId, config.id);
      return { namespace: { kind: "path", path: netnsPath }, ...files };
    } catch (error) {
      // Refused whole: addresses, ports, links and the namespace go back.
      await table.removeSandbox(config.id);
      hostPorts.giveBack(config.id);
      await this.#takeDown({ ...sandbox, endpoints }).catch((cause: unknown) => this.parts.log.warn("undoing an attachment failed", { container: config.id, error: cause }));
      if (sandbox.ports.length > 0) await host.applyRules().catch((cause: unknown) => this.parts.log.warn("undoing an attachment failed", { container: config.id, error: cause }));
      for (const endpoint of endpoints) this.#giveBack(endpoint);
      throw error;
    }
  }

  #filesFor(config: ContainerConfig, sandbox: SandboxRecord): { resolvConf: string; hosts: string } {
    const { table } = this.parts;
    const wishes = config.network!;
    const ofHost = readHostFile("/etc/resolv.conf");
    const gateway = gatewayEndpoint(sandbox.endpoints, table.networks, 4) ?? sandbox.endpoints.find((endpoint) => endpoint.gateway4 !== "");
    const isOnBridge = sandbox.endpoints.some((endpoint) => table.networks.get(endpoint.networkId)?.driver === "bridge");
    return {
      resolvConf: resolvConf({ ofHost, servers: wishes.dns ?? [], search: wishes.dnsSearch ?? [], options: wishes.dnsOptions ?? [], hasResolver: this.#resolverOf(sandbox) !== undefined }),
      hosts: hostsFile({
        hostname: hostnameOf(config), domainname: config.domainname ?? "", addresses: sandbox.endpoints.flatMap((endpoint) => [endpoint.ipv4, endpoint.ipv6].filter(Boolean)),
        extraHosts: wishes.extraHosts ?? [], hostGateway: isOnBridge ? gateway?.gateway4 ?? (table.byName("bridge")?.pools[0]?.gateway || undefined) : undefined, linked: this.#linkedOf(sandbox),
      }),
    };
  }

  /** The bridge whose address answers 127.0.0.11: of the first user-defined network; also of the predefined one where the host's own servers are its alone. */
  #resolverOf(sandbox: SandboxRecord): string | undefined {
    const { table, host } = this.parts;
    const onBridges = sandbox.endpoints.filter((endpoint) => table.networks.get(endpoint.networkId)?.driver === "bridge");
    const bridgeAddressOf = (endpoint: EndpointRecord | undefined) => table.networks.get(endpoint?.networkId ?? "")?.pools.find((pool) => !pool.subnet.includes(":"))?.gateway || undefined;
    const named = onBridges.find((endpoint) => !table.networks.get(endpoint.networkId)!.isPredefined);
    if (named) return bridgeAddressOf(named);
    const isNeeded = sandbox.dns.length === 0 && host.upstream.length > 0 && host.upstream.every(isLoopback);
    return isNeeded || sandbox.hasResolver ? bridgeAddressOf(onBridges[0]) : undefined;
  }

  /** What its /etc/resolv.conf has named once is answered for as long as it runs. */
  #withResolver(sandbox: SandboxRecord): SandboxRecord { return { ...sandbox, hasResolver: this.#resolverOf(sandbox) !== undefined }; }

  /** Links of the predefined bridge are lines of /etc/hosts: address, alias, name, id. */
  #linkedOf(sandbox: SandboxRecord): { address: string; names: string[] }[] {
    const { table, containers } = this.parts;
    const own = sandbox.endpoints.find((endpoint) => table.networks.get(endpoint.networkId)?.name === "bridge");
    return own ? sandbox.links.flatMap(({ containerId, alias }) => {
      const address = table.sandboxes.get(containerId)?.endpoints.find((endpoint) => endpoint.networkId === own.networkId)?.ipv4;
      const name = containers.record(containerId)?.config.name ?? "";
      return address ? [{ address, names: [...new Set([alias, containerId.slice(0, 12), name].filter(Boolean))] }] : [];
    }) : [];
  }

  #linksOf(links: readonly string[], config: ContainerConfig): LinkRecord[] {
    return links.map((link) => {
      const [name, alias = name] = link.replace(/^\//, "").split(":") as [string, string | undefined];
      const containerId = this.#findContainer(name);
      if (containerId === undefined) throw new SwarmError("NOT_FOUND", `container "${name.slice(0, 80)}" of link "${link.slice(0, 160)}" is not on this host; create it first`);
      const { phase } = this.parts.containers.record(containerId)!;
      if (phase !== "running" && modeOf(config.network!.mode).kind === "attached" && this.parts.table.find(this.members(config)[0]?.network ?? "")?.name === "bridge") throw new SwarmError("FAILED_PRECONDITION", `cannot link to a non running container: ${name}; start it first`);
      return { containerId, alias: alias.replace(/^.*\//, "") };
    });
  }

  #findContainer(nameOrId: string): string | undefined {
    const all = this.parts.containers.all();
    const name = nameOrId.replace(/^\//, "");
    return (all.find((record) => record.config.id === name) ?? all.find((record) => record.config.name === name) ?? (name.length >= 4 ? all.find((record) => record.config.id.startsWith(name)) : undefined))?.config.id;
  }

  // ---- endpoints ---------------------------------------------------------------------------------------------------------------

  #checkWishes(network: NetworkRecord, { ipv4Address, ipv6Address, macAddress, aliases }: EndpointConfig): void {
    const on = `on network "${network.name}"`;
    if (network.isPredefined && (ipv4Address || ipv6Address)) throw new SwarmError("INVALID_ARGUMENT", `user specified IP address is supported on user defined networks only, not ${on}`);
    if (network.isPredefined && (aliases?.length ?? 0) > 0) throw new SwarmError("INVALID_ARGUMENT", `network-scoped alias is supported only for containers in user defined networks, not ${on}`);
    for (const [text, family] of [[ipv4Address, 4], [ipv6Address, 6]] as const) {
      if (!text) continue;
      const ip = parseIp(text);
      if (ip?.family !== family) throw new SwarmError("INVALID_ARGUMENT", `"${text.slice(0, 80)}" is no IPv${family} address`);
      const pool = network.pools.find((each) => parseSubnet(each.subnet)!.family === family);
      if (!pool) throw new SwarmError("INVALID_ARGUMENT", `${text} cannot be given out ${on}, which has no IPv${family} subnet`);
      if (!this.parts.table.poolsOf(network.id).some((each) => each.subnet.family === family && ip.value >= each.subnet.base && ip.value < each.subnet.base + (1n << BigInt((family === 4 ? 32 : 128) - each.subnet.prefix)))) {
        throw new SwarmError("INVALID_ARGUMENT", `${text} is not within ${pool.subnet} ${on}`);
      }
    }
    if (macAddress && !isMac(macAddress)) throw new SwarmError("INVALID_ARGUMENT", `"${macAddress.slice(0, 80)}" is no MAC address of a single host; write it like 02:42:ac:12:00:02`);
  }

  /** In one turn, so that two who ask at once get two addresses. */
  #allocate(config: ContainerConfig, network: NetworkRecord, { config: wishes }: MemberRecord, device: string, hostLink: string): EndpointRecord {
    const { table } = this.parts;
    if (!table.networks.has(network.id)) throw new SwarmError("NOT_FOUND", `network ${network.name} not found: it has just been removed`);
    const taken: string[] = [];
    const addressOf = (family: 4 | 6, asked: string | undefined): { address: string; prefix: number; gateway: string } => {
      const record = network.pools.find((pool) => parseSubnet(pool.subnet)!.family === family);
      if (!record) return { address: "", prefix: 0, gateway: "" };
      const pool = table.poolsOf(network.id).find((each) => each.subnet.family === family)!;
      const { prefix } = pool.subnet;
      const gateway = network.isInternal ? "" : record.gateway;
      if (asked) {
        const text = formatIp(parseIp(asked)!);
        if (!table.take(network.id, text)) throw new SwarmError("FAILED_PRECONDITION", `Address already in use: ${text} of network "${network.name}" belongs to ${this.#holderOf(network, record, text)}; choose another one`);
        return { address: text, prefix, gateway };
      }
      const reserved = this.#reservedBy(config.id, network.id);
      for (;;) {
        const next = pool.takeNext();
        if (!next) {
          for (const address of skipped) table.give(network.id, address);
          throw new SwarmError("RESOURCE_EXHAUSTED", `no available addresses on network "${network.name}": ${record.ipRange || record.subnet} is used up (${pool.capacity}); remove containers, or make a network with a wider subnet`);
        }
        const text = formatIp(next);
        if (reserved.has(text)) { skipped.push(text); continue; }
        return { address: text, prefix, gateway };
      }
    };
    const skipped: string[] = [];
    try {
      const v4 = addressOf(4, wishes.ipv4Address);
      if (v4.address) taken.push(v4.address);
      const v6 = addressOf(6, wishes.ipv6Address);
      const address = parseIp(v4.address || v6.address);
      return {
        networkId: network.id, endpointId: newId(), device, hostLink: network.driver === "bridge" ? hostLink : "", mac: wishes.macAddress?.toLowerCase().replaceAll("-", ":") || macOf(address!),
        ipv4: v4.address, prefix4: v4.prefix, gateway4: v4.gateway, ipv6: v6.address, prefix6: v6.prefix, gateway6: v6.gateway,
        names: wishes.aliases ?? [], links: [...this.#linksOf(wishes.links ?? [], config), ...(network.isPredefined ? [] : this.#linksOf(config.network?.links ?? [], config))],
      };
    } catch (error) { for (const address of taken) table.give(network.id, address); throw error; } finally { for (const address of skipped) table.give(network.id, address); }
  }

  /** Addresses that stopped containers shall have again when they start. */
  #reservedBy(exceptId: string, networkId: string): ReadonlySet<string> {
    const { containers, table } = this.parts;
    const found = new Set<string>();
    for (const { config } of containers.all()) {
      if (config.id === exceptId || !config.network) continue;
      for (const { network, config: wishes } of this.members(config)) {
        if (!wishes.ipv4Address && !wishes.ipv6Address) continue;
        if (table.find(network)?.id === networkId) for (const text of [wishes.ipv4Address, wishes.ipv6Address]) { const ip = parseIp(text ?? ""); if (ip) found.add(formatIp(ip)); }
      }
    }
    return found;
  }

  #holderOf(network: NetworkRecord, pool: { gateway: string; auxiliary: Readonly<Record<string, string>> }, address: string): string {
    const { table, containers } = this.parts;
    if (pool.gateway === address) return "the gateway";
    const auxiliary = Object.entries(pool.auxiliary).find(([, each]) => each === address);
    if (auxiliary) return `"${auxiliary[0]}" (an auxiliary address)`;
    const sandbox = [...table.sandboxes.values()].find((each) => each.endpoints.some((endpoint) => endpoint.networkId === network.id && (endpoint.ipv4 === address || endpoint.ipv6 === address)));
    return sandbox ? `container "${containers.record(sandbox.containerId)?.config.name ?? sandbox.name}"` : "nobody: it is the network's first or last address";
  }

  #giveBack(endpoint: EndpointRecord): void { for (const address of [endpoint.ipv4, endpoint.ipv6]) if (address) this.parts.table.give(endpoint.networkId, address); }

  async #portOf(endpoint: EndpointRecord, network: NetworkRecord, isThere: boolean): Promise<NamespacePort> {
    const { settings } = network;
    return {
      device: endpoint.device, mac: endpoint.mac, mtu: await this.parts.host.mtuOf(network), hasIpv6: endpoint.ipv6 !== "",
      addresses: [...(endpoint.ipv4 ? [`${endpoint.ipv4}/${endpoint.prefix4}`] : []), ...(endpoint.ipv6 ? [`${endpoint.ipv6}/${endpoint.prefix6}`] : [])],
      link: network.driver === "macvlan" ? { kind: "macvlan", parent: settings.link, mode: settings.macvlanMode }
        : { kind: "veth", hostName: endpoint.hostLink, isThere, bridge: settings.link, isIsolated: this.parts.host.isIsolated(network) },
    };
  }

  async #change(sandbox: SandboxRecord, { added, removed, isNew }: { added: readonly NamespacePort[]; removed: readonly string[]; isNew: boolean }): Promise<void> {
    const { table } = this.parts;
    const v4 = gatewayEndpoint(sandbox.endpoints, table.networks, 4), v6 = gatewayEndpoint(sandbox.endpoints, table.networks, 6);
    await this.parts.links.change({
      path: sandbox.netnsPath, isNew, added, removed, resolver: this.#resolverOf(sandbox),
      gateways: [...(v4 ? [{ address: v4.gateway4, device: v4.device }] : []), ...(v6 ? [{ address: v6.gateway6, device: v6.device }] : [])],
    });
  }

  async #applyPorts({ ports }: SandboxRecord): Promise<void> {
    await this.parts.host.applyRules();
    const udp = ports.filter((port) => port.protocol === "udp").map((port) => port.hostPort);
    if (udp.length > 0) await this.parts.links.forgetUdp(udp).catch((error: unknown) => this.parts.log.warn("clients of a port over UDP may be sent to an old place for a while", { error: messageOf(error) }));
  }

  /** The links go with the namespace, in a thread of the kernel; off their bridges they are at once, so that nobody else's address is answered by them. */
  async #takeDown(sandbox: SandboxRecord): Promise<void> {
    for (const endpoint of sandbox.endpoints) if (endpoint.hostLink) await this.parts.links.unplug(endpoint.hostLink);
    if (sandbox.netnsPath) await this.parts.links.removeNamespace(sandbox.netnsPath);
  }

  #shown(endpoint: EndpointRecord, sandbox: SandboxRecord): Omit<ContainerEndpoint, "networkName" | "networkId" | "config"> {
    const name = this.parts.containers.record(sandbox.containerId)?.config.name ?? sandbox.name;
    return {
      endpointId: endpoint.endpointId, gateway: endpoint.gateway4, ipAddress: endpoint.ipv4, ipPrefixLength: endpoint.prefix4, ipv6Gateway: endpoint.gateway6, ipv6Address: endpoint.ipv6,
      ipv6PrefixLength: endpoint.prefix6, macAddress: endpoint.mac,
      dnsNames: this.parts.table.networks.get(endpoint.networkId)?.isPredefined ? [] : [...new Set([name, ...endpoint.names, sandbox.containerId.slice(0, 12), sandbox.hostname].filter(Boolean))],
    };
  }

  #publish(action: "connect" | "disconnect", networkId: string | undefined, containerId: string): void {
    const network = this.parts.table.networks.get(networkId ?? "");
    if (network) this.parts.events.publish({ type: "network", action, actorId: network.id, attributes: { container: containerId, name: network.name, type: network.driver } });
  }

  /** Ports that an earlier daemon gave out stay given. */
  adoptPorts(): void { for (const sandbox of this.parts.table.sandboxes.values()) this.parts.hostPorts.adopt(sandbox.containerId, sandbox.ports); }

  /** After a daemon's restart: containers that are gone give back what they had, and those that run keep theirs, also where the mount was lost. */
  async adopt(): Promise<void> {
    const { table, containers, links, log } = this.parts;
    for (const sandbox of [...table.sandboxes.values()]) {
      const record = containers.record(sandbox.containerId);
      if (!record) { await this.forget(sandbox.containerId); continue; }
      if (sandbox.netnsPath === "" || !record.process || record.phase !== "running") continue;
      if (await isNamespace(sandbox.netnsPath)) continue;
      if (existsSync(`/proc/${record.process.pid}/ns/net`)) {
        await links.keepNamespace(sandbox.netnsPath, record.process.pid).catch((error: unknown) => log.error("a running container's namespace could not be kept", { container: sandbox.containerId, error }));
      }
    }
    for (const id of [...table.memberships.keys()]) if (!containers.record(id)) await table.removeMembership(id);
  }
}

/** The mount, not only the empty file that it covers. */
const isNamespace = async (path: string): Promise<boolean> => (await readFile("/proc/self/mountinfo", "utf8")).split("\n").some((line) => line.split(" ")[4] === path);

const emptyEndpoint = { endpointId: "", gateway: "", ipAddress: "", ipPrefixLength: 0, ipv6Gateway: "", ipv6Address: "", ipv6PrefixLength: 0, macAddress: "", dnsNames: [] } as const;
const emptySandbox = (config: ContainerConfig): SandboxRecord => ({
  containerId: config.id, name: config.name, hostname: hostnameOf(config), mode: "attached", joinedId: "", netnsPath: "", endpoints: [], ports: [], dns: [], links: [], hasResolver: false,
});
const refuseJoin = (code: ConstructorParameters<typeof SwarmError>[0], why: string): never => { throw new SwarmError(code, why); };
const lowerFirst = (text: string): string => (/^[A-Z][a-z]/.test(text) && !text.startsWith("Bind for") ? text.charAt(0).toLowerCase() + text.slice(1) : text);
