import {
  addressOf, isTerminal, isWanted, macOf, parseCidr, stateOf, taskName,
  type Network, type NetworkAttachment, type Node, type Service, type ServiceEndpoint, type ServiceSpec, type Task, type VirtualIp,
} from "../../../model/index.js";
import { AddressPool } from "./address-pool.js";
import { PortPool } from "./port-pool.js";

/** A value, or a whole sentence that says why there is none. */
export type Numbered<T> = { readonly ok: T } | { readonly refused: string };

/**
 * Who has which address and which published port, in memory; the store's objects are the truth, and this can be rebuilt from them at any
 * time. Owners: "task:ID", "vip:SERVICE-ID", "node:ID"; ports belong to service ids.
 */
export class Numbers {
  readonly #pools = new Map<string, { network: Network; pool: AddressPool }>();
  readonly #ports = new PortPool();
  readonly #newest = new Map<string, number>();   // network → creation of the newest task seen while rebuilding

  // ---- taking note of what the store holds ----

  /** Networks with numbers only; the first note counts, a subnet never changes. */
  noteNetwork(network: Network): void {
    const subnet = parseCidr(network.subnet);
    const known = this.#pools.get(network.id);
    if (known) known.network = network;
    else if (subnet) this.#pools.set(network.id, { network, pool: new AddressPool(subnet, network.gateway) });
  }
  forgetNetwork(id: string): void { this.#pools.delete(id); }
  networks(): Network[] { return [...this.#pools.values()].map(({ network }) => network); }
  hasNetwork(id: string): boolean { return this.#pools.has(id); }

  /** False if something that it has belongs to another: the store contradicts itself. */
  noteService(service: Service): boolean {
    let isConsistent = true;
    for (const vip of service.endpoint?.vips ?? []) isConsistent = this.#claim(vip.networkId, vip.addr, `vip:${service.id}`) && isConsistent;
    for (const port of service.endpoint?.ports ?? []) {
      if (port.mode === "INGRESS") isConsistent = this.#ports.claim(port.protocol, port.publishedPort, service.id) && isConsistent;
    }
    return isConsistent;
  }

  noteNode(node: Node): boolean { return this.#claimAll(node.attachments, `node:${node.id}`); }

  noteTask(task: Task): boolean {
    if (isTerminal(stateOf(task))) return true;
    const createdAtMs = task.meta?.createdAtMs ?? 0;
    for (const { networkId, addr } of task.networks) {
      if (createdAtMs < (this.#newest.get(networkId) ?? 0)) continue;
      this.#newest.set(networkId, createdAtMs);
      this.#pools.get(networkId)?.pool.resumeAfter(addressOf(addr));
    }
    return this.#claimAll(task.networks, `task:${task.id}`);
  }

  /** Each returns whether something came free. */
  freeTask(task: Task): boolean { return this.#freeAll(task.networks, `task:${task.id}`); }
  freeNode(node: Node): boolean { return this.#freeAll(node.attachments, `node:${node.id}`); }
  freeService(service: Service): boolean {
    let isFreed = false;
    for (const vip of service.endpoint?.vips ?? []) isFreed = this.#free(vip.networkId, vip.addr, `vip:${service.id}`) || isFreed;
    for (const port of service.endpoint?.ports ?? []) isFreed = this.#ports.free(port.protocol, port.publishedPort, service.id) || isFreed;
    return isFreed;
  }

  // ---- giving out ----

  /** The endpoint that `service` is to have; what it has and still needs, it keeps. */
  endpointFor(service: Service, spec: ServiceSpec, context: { ingress: Network | undefined; serviceName: (id: string) => string }): Numbered<ServiceEndpoint> {
    const wished = spec.endpoint?.ports ?? [];
    if (publishesIngress(spec) && !context.ingress) {
      return { refused: `Cannot publish a port of service "${spec.name}": the cluster has no ingress network; create one, or publish with mode=host.` };
    }
    const vips: VirtualIp[] = [];
    const added: VirtualIp[] = [];
    const present = service.endpoint?.vips ?? [];
    const undo = () => { for (const vip of added) this.#free(vip.networkId, vip.addr, `vip:${service.id}`); };
    for (const networkId of spec.endpoint?.mode === "DNSRR" ? [] : networkIdsOf(spec)) {
      const kept = present.find((vip) => vip.networkId === networkId && this.#pools.get(networkId)?.pool.ownerOf(vip.addr) === `vip:${service.id}`);
      if (kept) { vips.push(kept); continue; }
      const taken = this.#take(networkId, `vip:${service.id}`, `service "${spec.name}" a virtual address`);
      if ("refused" in taken) { undo(); return taken; }
      const vip = { networkId, addr: taken.ok };
      vips.push(vip);
      added.push(vip);
    }
    const assigned = this.#ports.assign(wished, service.endpoint?.ports ?? [], service.id);
    if ("taken" in assigned) {
      undo();
      const { publishedPort, protocol } = assigned.taken;
      const why = assigned.by === undefined ? "every port from 30000 to 32767 is in use; name one with --publish"
        : `service "${context.serviceName(assigned.by)}" has it; choose another`;
      return { refused: `Cannot publish ${publishedPort ? `port ${publishedPort}/${protocol.toLowerCase()}` : "a port"} of service "${spec.name}": ${why}.` };
    }
    for (const vip of present) if (!vips.includes(vip)) this.#free(vip.networkId, vip.addr, `vip:${service.id}`);
    return { ok: { ports: assigned.ports, vips } };
  }

  /** One address on each of the task's networks, all or none. */
  attachmentsFor(task: Task, spec: ServiceSpec, ingress: Network | undefined): Numbered<NetworkAttachment[]> {
    const name = taskName(spec.name, task);
    const attachments: NetworkAttachment[] = [];
    const configs = new Map((spec.task?.networks ?? []).map((config) => [config.target, config.aliases]));
    if (publishesIngress(spec) && ingress && !configs.has(ingress.id)) configs.set(ingress.id, []);
    for (const [networkId, aliases] of configs) {
      const taken = this.#take(networkId, `task:${task.id}`, `task "${name}" an address`);
      if ("refused" in taken) {
        this.#freeAll(attachments, `task:${task.id}`);
        return taken;
      }
      attachments.push(this.#attachment(networkId, taken.ok, aliases));
    }
    return { ok: attachments };
  }

  /** A node has one address on the ingress network, and none without one. */
  nodeAttachmentsFor(node: Node, ingress: Network | undefined): Numbered<NetworkAttachment[]> {
    const kept = node.attachments.filter((attachment) => attachment.networkId === ingress?.id && this.#pools.get(attachment.networkId)?.pool.ownerOf(addressOf(attachment.addr)) === `node:${node.id}`);
    if (kept.length > 0 || !ingress) return { ok: kept };
    const taken = this.#take(ingress.id, `node:${node.id}`, `node "${node.description?.hostname || node.id}" an address`);
    return "refused" in taken ? taken : { ok: [this.#attachment(ingress.id, taken.ok, [])] };
  }

  #attachment(networkId: string, addr: string, aliases: readonly string[]): NetworkAttachment {
    return { networkId, addr: `${addr}/${this.#pools.get(networkId)!.pool.subnet.prefix}`, mac: macOf(addr), aliases: [...aliases] };
  }

  #take(networkId: string, owner: string, what: string): Numbered<string> {
    const entry = this.#pools.get(networkId);
    if (!entry) return { refused: `Cannot give ${what} on network "${networkId}": it does not exist or has no subnet yet; update the service to use another.` };
    const addr = entry.pool.take(owner);
    if (addr !== undefined) return { ok: addr };
    const { pool, network } = entry;
    return { refused: `Cannot give ${what} on network "${network.spec?.name || networkId}": ${network.subnet} is used up (${pool.used} of ${pool.capacity}); remove tasks from it or use a network with a larger subnet.` };
  }

  #claim(networkId: string, addr: string, owner: string): boolean {
    const entry = this.#pools.get(networkId);
    return !entry || entry.pool.claim(addr, owner);
  }
  #claimAll(attachments: readonly NetworkAttachment[], owner: string): boolean {
    let isConsistent = true;
    for (const { networkId, addr } of attachments) isConsistent = this.#claim(networkId, addressOf(addr), owner) && isConsistent;
    return isConsistent;
  }
  #free(networkId: string, addr: string, owner: string): boolean { return this.#pools.get(networkId)?.pool.free(addr, owner) ?? false; }
  #freeAll(attachments: readonly NetworkAttachment[], owner: string): boolean {
    let isFreed = false;
    for (const { networkId, addr } of attachments) isFreed = this.#free(networkId, addressOf(addr), owner) || isFreed;
    return isFreed;
  }
}

export const publishesIngress = (spec: ServiceSpec): boolean => (spec.endpoint?.ports ?? []).some((port) => port.mode === "INGRESS");
const networkIdsOf = (spec: ServiceSpec): string[] => [...new Set((spec.task?.networks ?? []).map((config) => config.target))];

/** It waits for its numbers. */
export const needsNumbers = (task: Task): boolean => stateOf(task) === "NEW" && isWanted(task);
