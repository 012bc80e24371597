import { randomBytes } from "node:crypto";
import { SwarmError } from "../../lib/index.js";
import type { Metadata } from "../metadata.js";
import { AddressPool } from "./core/address-pool.js";
import { parseIp, parseSubnet } from "./core/ip-address.js";
import type { MembershipRecord, NetworkRecord, PoolRecord, SandboxRecord } from "./core/records.js";

type Tables = Pick<Metadata, "networks" | "sandboxes" | "memberships">;

/** The records of networks and attachments, in memory and in the database, with the addresses that follow from them. */
export class NetworkTable {
  readonly networks = new Map<string, NetworkRecord>();
  readonly sandboxes = new Map<string, SandboxRecord>();
  readonly memberships = new Map<string, MembershipRecord>();
  readonly #pools = new Map<string, AddressPool[]>();
  /** Changes with every change, so that what is derived can tell that it is old. */
  version = 0;

  private constructor(private readonly tables: Tables) {}

  static async load(tables: Tables): Promise<NetworkTable> {
    const table = new NetworkTable(tables);
    for (const record of await tables.networks.all()) table.#keep(record);
    for (const record of await tables.sandboxes.all()) {
      table.sandboxes.set(record.containerId, record);
      for (const endpoint of record.endpoints) for (const address of [endpoint.ipv4, endpoint.ipv6]) if (address) table.take(endpoint.networkId, address);
    }
    for (const record of await tables.memberships.all()) table.memberships.set(record.containerId, record);
    return table;
  }

  /** By name, id or an id's beginning. */
  find(nameOrId: string): NetworkRecord | undefined {
    const exact = this.networks.get(nameOrId) ?? this.byName(nameOrId);
    if (exact || !/^[0-9a-f]{1,64}$/.test(nameOrId)) return exact;
    const matches = [...this.networks.values()].filter((network) => network.id.startsWith(nameOrId));
    if (matches.length > 1) throw new SwarmError("INVALID_ARGUMENT", `network ${nameOrId} is ambiguous (${matches.length} matches found): ${matches.slice(0, 5).map((network) => `"${network.name}"`).join(", ")}; write more of its id`);
    return matches[0];
  }

  byName(name: string): NetworkRecord | undefined { return [...this.networks.values()].find((network) => network.name === name); }

  /** Known from the first moment on, so that nobody else takes its name or subnet; on disk when this resolves. */
  async putNetwork(record: NetworkRecord): Promise<void> { this.#keep(record); await this.tables.networks.put(record.id, record, { isSynced: true }); }

  async removeNetwork(id: string): Promise<void> {
    this.networks.delete(id);
    this.#pools.delete(id);
    this.version++;
    await this.tables.networks.remove(id);
  }

  /** Seen by all, and not on disk so far. */
  holdSandbox(record: SandboxRecord): void { this.sandboxes.set(record.containerId, record); this.version++; }
  async putSandbox(record: SandboxRecord): Promise<void> { this.holdSandbox(record); await this.tables.sandboxes.put(record.containerId, record); }
  async removeSandbox(containerId: string): Promise<void> { this.sandboxes.delete(containerId); this.version++; await this.tables.sandboxes.remove(containerId); }
  async putMembership(record: MembershipRecord): Promise<void> { this.memberships.set(record.containerId, record); await this.tables.memberships.put(record.containerId, record); }
  async removeMembership(containerId: string): Promise<void> { if (this.memberships.delete(containerId)) await this.tables.memberships.remove(containerId); }

  poolsOf(networkId: string): readonly AddressPool[] { return this.#pools.get(networkId) ?? []; }

  /** False when somebody has it already, or it is of none of the network's subnets. */
  take(networkId: string, address: string): boolean { const ip = parseIp(address); return ip !== undefined && this.poolsOf(networkId).some((pool) => pool.take(ip)); }
  give(networkId: string, address: string): void { const ip = parseIp(address); if (ip) for (const pool of this.poolsOf(networkId)) pool.give(ip); }

  #keep(record: NetworkRecord): void {
    this.networks.set(record.id, record);
    this.#pools.set(record.id, record.pools.map(poolOf));
    this.version++;
  }
}

function poolOf(record: PoolRecord): AddressPool {
  const pool = new AddressPool(parseSubnet(record.subnet)!, record.ipRange ? parseSubnet(record.ipRange)! : undefined);
  for (const address of [record.gateway, ...Object.values(record.auxiliary)]) { const ip = parseIp(address); if (ip) pool.take(ip); }
  return pool;
}

export const newId = (): string => randomBytes(32).toString("hex");
