import { existsSync } from "node:fs";
import { join } from "node:path";
import { KeyedLock, SwarmError, type Clock, type Logger } from "../../lib/index.js";
import { openHostLinks, type HostLinks } from "../../linux/index.js";
import type { EndpointConfig, EngineNetwork, Events, LabelFilter, NetworkConfig, Networks } from "../api/index.js";
import type { NetworkOptions } from "../config.js";
import type { ContainerAccess, ContainerNetworking } from "../containers/ports.js";
import { matchesLabels } from "../label-filter.js";
import type { Metadata } from "../metadata.js";
import { overlaps, parseSubnet } from "./core/ip-address.js";
import { buildNameTable, type NameTable } from "./core/name-table.js";
import { tagOf } from "./core/names.js";
import { chooseSubnet, planNetwork, wholePool, type AddressPoolOption, type HostFacts } from "./core/plan-network.js";
import type { NetworkRecord } from "./core/records.js";
import { HostNetwork } from "./host-network.js";
import { HostPorts } from "./host-ports.js";
import { NamespacePool } from "./namespace-pool.js";
import { newId, NetworkTable } from "./network-table.js";
import { Sandboxes } from "./sandboxes.js";

export interface NetworksParts {
  readonly metadata: Pick<Metadata, "networks" | "sandboxes" | "memberships">;
  readonly containers: ContainerAccess;
  readonly events: Events;
  readonly clock: Clock;
  readonly log: Logger;
  readonly stateDir: string;
  readonly runDir: string;
  readonly options: NetworkOptions;
  readonly exposedPorts: (imageId: string) => readonly string[];
  readonly filesOf: (containerId: string) => { readonly hosts: string; readonly resolvConf: string };
  /** For tests. */
  readonly links?: HostLinks;
}

// None of what the cluster gives out by default: 10.0.0.0/8 for its networks, 172.30.0.0/16 for the overlay's own bridge.
const defaultPools: readonly AddressPoolOption[] = [...Array.from({ length: 13 }, (_, i) => ({ base: `172.${17 + i}.0.0/16`, prefix: 16 })), { base: "192.168.0.0/16", prefix: 24 }];

/** Networks of this host alone. Opened once the containers are known, and before any of them is started. */
export class EngineNetworks implements Networks {
  readonly #lock = new KeyedLock();
  readonly #tag: string;
  readonly #sandboxes: Sandboxes;
  readonly #host: HostNetwork;
  readonly #pool: NamespacePool;
  readonly #links: HostLinks;
  /** Predefined bridges have no link before their first use. */
  readonly #made = new Set<string>();
  #names: { version: number; containerNames: string; table: NameTable } | undefined;

  private constructor(private readonly parts: NetworksParts, private readonly table: NetworkTable) {
    const { clock, options, runDir, stateDir } = parts;
    const log = parts.log.with({ area: "networks" });
    const directory = join(runDir, "netns");
    this.#tag = tagOf(stateDir);
    this.#links = parts.links ?? openHostLinks({ log });
    this.#pool = new NamespacePool({ directory, tag: this.#tag, size: options.readyNamespaces ?? 8, links: this.#links, clock, log });
    this.#host = new HostNetwork({
      tag: this.#tag, directory, links: this.#links, pool: this.#pool, clock, log, auditMs: options.auditMs ?? 30_000, dnsPort: options.dnsPort ?? 10_054,
      networks: () => [...table.networks.values()].filter((network) => this.#made.has(network.id)), sandboxes: () => [...table.sandboxes.values()], names: () => this.#nameTable(),
    });
    const nameOf = (id: string) => parts.containers.record(id)?.config.name ?? table.sandboxes.get(id)?.name ?? id;
    this.#sandboxes = new Sandboxes({
      table, host: this.#host, hostPorts: new HostPorts(nameOf), links: this.#links, pool: this.#pool, containers: parts.containers, events: parts.events, log,
      exposedPorts: parts.exposedPorts, filesOf: parts.filesOf, ensureMade: (network) => this.#ensureMade(network),
    });
  }

  static async open(parts: NetworksParts): Promise<EngineNetworks> {
    const networks = new EngineNetworks(parts, await NetworkTable.load(parts.metadata));
    await networks.#open();
    return networks;
  }

  get containerNetworking(): ContainerNetworking { return this.#sandboxes; }

  async list(): Promise<EngineNetwork[]> { return [...this.table.networks.values()].map((network) => this.#shown(network)); }
  async get(nameOrId: string): Promise<EngineNetwork | undefined> { const network = this.table.find(nameOrId); return network && this.#shown(network); }

  async create(config: NetworkConfig): Promise<{ id: string; warnings: readonly string[] }> {
    const facts = await this.#facts();
    const { record, warnings } = planNetwork(config, newId(), this.parts.clock.now(), { ...facts, networks: [...this.table.networks.values()] });
    try {
      // Known before it is made: a daemon that is killed in between makes it, or whoever asked removes it.
      await this.table.putNetwork(record);
      await this.#make(record);
    } catch (error) {
      this.#made.delete(record.id);
      await this.table.removeNetwork(record.id);
      await this.#host.removeNetwork(record).catch((cause: unknown) => this.parts.log.warn("undoing a network failed", { network: record.name, error: cause }));
      if (error instanceof SwarmError) throw new SwarmError(error.code, `Cannot create network "${record.name}": ${error.message}`, { cause: error });
      throw error;
    }
    this.#publish("create", record);
    return { id: record.id, warnings };
  }

  async remove(nameOrId: string): Promise<void> {
    const { id, name } = this.#need(nameOrId, "remove");
    await this.#lock.run(id, async () => {
      const network = this.table.networks.get(id);
      if (!network) return;
      if (network.isPredefined) throw new SwarmError("PERMISSION_DENIED", `Cannot remove network "${name}": ${name} is a pre-defined network and cannot be removed`);
      const users = this.#sandboxes.endpointsOn(id);
      if (users.length > 0) throw new SwarmError("PERMISSION_DENIED", `Cannot remove network "${name}": it has active endpoints (${users.slice(0, 5).map((user) => `"${user.containerName}"`).join(", ")}${users.length > 5 ? " …" : ""}); disconnect or stop these containers first`);
      await this.#removeNow(network);
    });
  }

  async connect(nameOrId: string, containerId: string, endpoint: EndpointConfig = {}): Promise<void> {
    await this.#sandboxes.connect(this.#need(nameOrId, `connect container "${containerId.slice(0, 12)}" to`), containerId, endpoint);
  }

  async disconnect(nameOrId: string, containerId: string, options?: { force?: boolean }): Promise<void> {
    await this.#sandboxes.disconnect(this.#need(nameOrId, `disconnect container "${containerId.slice(0, 12)}" from`), containerId, options);
  }

  async prune({ untilMs, labels = [] }: { untilMs?: number; labels?: readonly LabelFilter[] }): Promise<string[]> {
    const pruned: string[] = [];
    for (const { id } of [...this.table.networks.values()]) {
      await this.#lock.run(id, async () => {
        const network = this.table.networks.get(id);
        if (!network || network.isPredefined || (untilMs !== undefined && network.createdAtMs >= untilMs) || !matchesLabels(network.labels, labels) || this.#sandboxes.endpointsOn(id).length > 0) return;
        await this.#removeNow(network);
        pruned.push(network.name);
      });
    }
    return pruned;
  }

  /** Containers have been taken over: what those had that are gone is given back. */
  async adopt(): Promise<void> { await this.#sandboxes.adopt(); await this.#host.applyRules(); }

  /** Compares the kernel with the records now, and repairs. */
  audit(): Promise<void> { return this.#host.audit(); }

  /** Containers keep their networks and published ports; names are not answered until the next daemon. */
  async close(): Promise<void> {
    await this.#lock.idle();
    await this.#pool.close();
    // Made again at its next use: a host on which nothing uses it shows no trace of it.
    const bridge = this.table.byName("bridge");
    if (bridge && this.#made.has(bridge.id) && this.#sandboxes.endpointsOn(bridge.id).length === 0) {
      this.#made.delete(bridge.id);
      await this.#host.removeNetwork(bridge).catch((error: unknown) => this.parts.log.warn("removing the unused predefined bridge failed", { error }));
    }
    await this.#host.close();
    this.#links.close();
  }

  async #open(): Promise<void> {
    for (const [name, driver] of [["bridge", "bridge"], ["host", "host"], ["none", "null"]] as const) if (!this.table.byName(name)) await this.table.putNetwork(await this.#predefined(name, driver));
    const used = new Set([...this.table.sandboxes.values()].flatMap((sandbox) => sandbox.endpoints.map((endpoint) => endpoint.networkId)));
    for (const network of this.table.networks.values()) if (!network.isPredefined || used.has(network.id)) this.#made.add(network.id);
    this.#sandboxes.adoptPorts();
    await this.#host.open();
  }

  /** The predefined bridge gets its link now, and another subnet when a route has come into its way since it was chosen. */
  #ensureMade(network: NetworkRecord): Promise<NetworkRecord> {
    const current = this.table.networks.get(network.id) ?? network;
    if (this.#made.has(network.id)) return Promise.resolve(current);
    return this.#lock.run(network.id, async () => {
      if (this.#made.has(network.id)) return this.table.networks.get(network.id)!;
      let record = this.table.networks.get(network.id);
      if (!record) throw new SwarmError("NOT_FOUND", `network ${network.name} not found: it has just been removed`);
      const { occupied } = await this.#facts();
      const others = occupied.filter((subnet) => subnet.prefix > 0);
      if (this.parts.options.bridgeSubnet === undefined && others.some((subnet) => current.pools.some((pool) => overlaps(parseSubnet(pool.subnet)!, subnet)))) {
        record = { ...await this.#predefined("bridge", "bridge"), id: record.id, createdAtMs: record.createdAtMs };
        await this.table.putNetwork(record);
      }
      await this.#make(record);
      return record;
    });
  }

  async #make(record: NetworkRecord): Promise<void> {
    await this.#host.makeLink(record);
    this.#made.add(record.id);
    try { await this.#host.applyRules(); } catch (error) { this.#made.delete(record.id); throw error; }
  }

  async #predefined(name: string, driver: NetworkRecord["driver"]): Promise<NetworkRecord> {
    const { bridgeName, bridgeSubnet } = this.parts.options;
    const facts = await this.#facts();
    const link = driver === "bridge" ? bridgeName ?? `skein-${this.#tag}` : "";
    const taken = [...facts.occupied, ...[...this.table.networks.values()].filter((network) => network.name !== name).flatMap((network) => network.pools).map((pool) => parseSubnet(pool.subnet)!)];
    const wanted = bridgeSubnet === undefined ? chooseSubnet(facts.pools, taken) : parseSubnet(bridgeSubnet);
    if (driver === "bridge" && !wanted) throw new SwarmError("INVALID_ARGUMENT", `Cannot make the predefined network "bridge": ${bridgeSubnet === undefined ? "all address pools overlap routes of this host; name a subnet for it" : `"${bridgeSubnet}" is no subnet such as 172.17.0.0/16`}`);
    const base = {
      id: newId(), name, driver, isInternal: false, isAttachable: false, hasIpv6: false, labels: {}, ipamDriver: "default", ipamOptions: {}, createdAtMs: this.parts.clock.now(), isPredefined: true,
      settings: { link, vlan: undefined, macvlanMode: "bridge" as const, mtu: 0, hasIcc: true, isMasqueraded: true, hostIp: "" },
    };
    if (driver !== "bridge") return { ...base, options: {}, pools: [] };
    return {
      ...base, pools: [wholePool(wanted!)],
      options: {
        "com.docker.network.bridge.default_bridge": "true", "com.docker.network.bridge.enable_icc": "true", "com.docker.network.bridge.enable_ip_masquerade": "true",
        "com.docker.network.bridge.host_binding_ipv4": "0.0.0.0", "com.docker.network.bridge.name": link, "com.docker.network.driver.mtu": "1500",
      },
    };
  }

  async #facts(): Promise<HostFacts> {
    const { options } = this.parts;
    const links = new Set((await this.#links.links()).map((link) => link.name));
    const own = new Set([...this.table.networks.values()].map((network) => network.settings.link));
    const routes = (await this.#links.routes()).filter((route) => !own.has(route.device) || route.device === "").flatMap((route) => parseSubnet(route.destination) ?? []).filter((subnet) => subnet.prefix > 0);
    return {
      tag: this.#tag, networks: [...this.table.networks.values()], occupied: routes, pools: options.addressPools ?? defaultPools, links, defaultDevice: await this.#host.defaultDevice(), hasIpv6: existsSync("/proc/net/if_inet6"),
    };
  }

  async #removeNow(network: NetworkRecord): Promise<void> {
    this.#made.delete(network.id);
    // First the link, then the record: killed in between, the next daemon still knows what to remove.
    await this.#host.removeNetwork(network);
    await this.table.removeNetwork(network.id);
    this.#publish("destroy", network);
  }

  #need(nameOrId: string, verb: string): NetworkRecord {
    const network = this.table.find(nameOrId);
    if (!network) throw new SwarmError("NOT_FOUND", `Cannot ${verb} network "${nameOrId.slice(0, 80)}": network ${nameOrId.slice(0, 80)} not found on this host`);
    return network;
  }

  #shown(network: NetworkRecord): EngineNetwork {
    return {
      id: network.id, name: network.name, driver: network.driver, isInternal: network.isInternal, isAttachable: network.isAttachable, hasIpv6: network.hasIpv6, labels: network.labels, options: network.options,
      ipamDriver: network.ipamDriver, ipamOptions: network.ipamOptions, createdAtMs: network.createdAtMs, containers: this.#sandboxes.endpointsOn(network.id),
      ipam: network.pools.map((pool) => ({ subnet: pool.subnet, ...(pool.ipRange ? { ipRange: pool.ipRange } : {}), ...(pool.gateway ? { gateway: pool.gateway } : {}), ...(Object.keys(pool.auxiliary).length > 0 ? { auxiliary: pool.auxiliary } : {}) })),
    };
  }

  /** Built anew when a record or a container's name has changed. */
  #nameTable(): NameTable {
    const { containers } = this.parts;
    const current = (id: string) => containers.record(id)?.config.name;
    const containerNames = [...this.table.sandboxes.keys()].map((id) => current(id) ?? "").join("\0");
    if (this.#names?.version !== this.table.version || this.#names.containerNames !== containerNames) {
      this.#names = { version: this.table.version, containerNames, table: buildNameTable(this.table.networks, [...this.table.sandboxes.values()], current) };
    }
    return this.#names.table;
  }

  #publish(action: "create" | "destroy", network: NetworkRecord): void {
    this.parts.events.publish({ type: "network", action, actorId: network.id, attributes: { name: network.name, type: network.driver } });
  }
}
