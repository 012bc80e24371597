import { startCoalescingLoop, type Clock, type Logger } from "../../lib/index.js";
import { isTerminal, newTaskStatus, parseCidr, revisionId, stateOf, type Network, type Node, type Service } from "../../model/index.js";
import type { Commit, Store, WriteTx } from "../../store/index.js";
import { Numbers, needsNumbers } from "./core/numbers.js";
import { numberNetwork } from "./core/subnets.js";

export interface AllocatorPorts { readonly store: Store; readonly clock: Clock; readonly log: Logger; readonly random?: () => number }

const maxWritesPerTransaction = 200;

/** Leader only. Starts with a look at everything. */
export function startAllocator({ store, clock, log, random = () => 0.5 }: AllocatorPorts): { stop(): Promise<void> } {
  let numbers = new Numbers();
  let mustRebuild = true;
  // What is to be looked at, by id; `waiting` is what was refused and is tried again when something comes free.
  const dirty = { networks: new Set<string>(), services: new Set<string>(), nodes: new Set<string>(), tasks: new Set<string>() };
  const waiting = { networks: new Set<string>(), services: new Map<string, string>(), tasks: new Set<string>() };
  const loop = startCoalescingLoop({ name: "allocator", clock, random, log, run });
  const isDirty = () => mustRebuild || Object.values(dirty).some((ids) => ids.size > 0);

  const unwatch = store.watch((commit) => {
    note(commit);
    if (isDirty()) loop.wake();
  });
  loop.wake();

  function rebuild(): void {
    numbers = new Numbers();
    for (const ids of Object.values(dirty)) ids.clear();
    waiting.networks.clear(); waiting.services.clear(); waiting.tasks.clear();
    store.view((tx) => {
      const contradictions: string[] = [];
      for (const network of tx.list("network")) { numbers.noteNetwork(network); dirty.networks.add(network.id); }
      for (const service of tx.list("service")) { if (!numbers.noteService(service)) contradictions.push(`service ${service.id}`); dirty.services.add(service.id); }
      for (const node of tx.list("node")) { if (!numbers.noteNode(node)) contradictions.push(`node ${node.id}`); dirty.nodes.add(node.id); }
      for (const task of tx.list("task")) { if (!numbers.noteTask(task)) contradictions.push(`task ${task.id}`); if (needsNumbers(task)) dirty.tasks.add(task.id); }
      if (contradictions.length > 0) log.error("addresses or ports are given out twice", { to: contradictions.slice(0, 10) });
    });
    mustRebuild = false;
  }

  function note({ changes }: Commit): void {
    if (changes.length === 0) { mustRebuild = true; return; }
    if (mustRebuild) return;
    let isFreed = false;
    for (const change of changes) {
      switch (change.table) {
        case "network":
          if (change.kind === "removed") { numbers.forgetNetwork(change.object.id); dirty.networks.delete(change.object.id); isFreed = true; }
          else { numbers.noteNetwork(change.object); dirty.networks.add(change.object.id); }
          if (change.object.spec?.isIngress) retryEverything();
          break;
        case "service":
          if (change.kind === "removed") { isFreed = numbers.freeService(change.object) || isFreed; dirty.services.delete(change.object.id); waiting.services.delete(change.object.id); }
          else if (change.kind === "created" || change.object.revision !== change.previous?.revision) dirty.services.add(change.object.id);
          break;
        case "node":
          if (change.kind === "removed") { isFreed = numbers.freeNode(change.object) || isFreed; dirty.nodes.delete(change.object.id); }
          else if (change.kind === "created" || change.object.attachments.length !== change.previous?.attachments.length) dirty.nodes.add(change.object.id);
          break;
        case "task":
          if (change.kind === "removed" || isTerminal(stateOf(change.object))) {
            isFreed = numbers.freeTask(change.object) || isFreed;
            dirty.tasks.delete(change.object.id);
            waiting.tasks.delete(change.object.id);
          } else if (change.kind === "created" && needsNumbers(change.object)) dirty.tasks.add(change.object.id);
          break;
      }
    }
    if (isFreed) retryWaiting();
  }

  function retryWaiting(): void {
    for (const id of waiting.networks) dirty.networks.add(id);
    for (const id of waiting.services.keys()) dirty.services.add(id);
    for (const id of waiting.tasks) dirty.tasks.add(id);
  }

  function retryEverything(): void {
    retryWaiting();
    store.view((tx) => {
      for (const service of tx.list("service")) dirty.services.add(service.id);
      for (const node of tx.list("node")) dirty.nodes.add(node.id);
    });
  }

  async function run(): Promise<void> {
    while (isDirty()) {
      if (mustRebuild) rebuild();
      try {
        await store.update(writeBatch);
      } catch (error) {
        // What was given out in memory was not stored, and may have been given to others: the store is the truth.
        mustRebuild = true;
        throw error;
      }
    }
  }

  /** Networks before services before tasks: each needs the one before. */
  function writeBatch(tx: WriteTx): void {
    let room = maxWritesPerTransaction;
    const each = (ids: Set<string>, look: (id: string) => boolean) => {
      for (const id of ids) {
        if (room <= 0) return;
        ids.delete(id);
        if (look(id)) room--;
      }
    };
    each(dirty.networks, (id) => lookAtNetwork(tx, id));
    const ingress = tx.list("network").find((network) => network.spec?.isIngress && numbers.hasNetwork(network.id));
    each(dirty.services, (id) => lookAtService(tx, id, ingress));
    each(dirty.nodes, (id) => lookAtNode(tx, id, ingress));
    each(dirty.tasks, (id) => lookAtTask(tx, id, ingress));
  }

  function lookAtNetwork(tx: WriteTx, id: string): boolean {
    const network = tx.get("network", id);
    if (!network || network.subnet !== "" || network.spec?.driver !== "overlay") return false;
    const [cluster] = tx.list("cluster");
    const outcome = numberNetwork(network, tx.list("network").filter((other) => other.id !== id && other.subnet !== ""), {
      pools: cluster?.spec?.addressPools.length ? cluster.spec.addressPools : ["10.0.0.0/8"], prefix: cluster?.spec?.subnetPrefix || 24,
      underlay: tx.list("node").map((node) => node.status?.addr ?? "").filter((addr) => parseCidr(`${addr}/32`)),
    });
    if (outcome.kind === "refused") {
      if (!waiting.networks.has(id)) log.warn("network gets no subnet", { reason: outcome.reason });
      waiting.networks.add(id);
      return false;
    }
    waiting.networks.delete(id);
    const numbered = { ...network, subnet: outcome.subnet, gateway: outcome.gateway, vni: outcome.vni };
    tx.update("network", numbered);
    numbers.noteNetwork(numbered);
    if (network.spec.isIngress) retryEverythingIn(tx);
    else retryWaiting();
    return true;
  }

  function retryEverythingIn(tx: WriteTx): void {
    retryWaiting();
    for (const service of tx.list("service")) dirty.services.add(service.id);
    for (const node of tx.list("node")) dirty.nodes.add(node.id);
  }

  function lookAtService(tx: WriteTx, id: string, ingress: Network | undefined): boolean {
    const service = tx.get("service", id);
    if (!service?.spec || service.isRemoving) return false;
    const outcome = numbers.endpointFor(service, service.spec, { ingress, serviceName: (other) => tx.get("service", other)?.spec?.name ?? other });
    if ("refused" in outcome) {
      if (waiting.services.get(id) !== outcome.refused) log.warn("service gets no endpoint", { reason: outcome.refused });
      waiting.services.set(id, outcome.refused);
      return false;
    }
    if (waiting.services.delete(id)) for (const task of tx.tasksOfService(id)) if (needsNumbers(task)) dirty.tasks.add(task.id);
    if (isSameEndpoint(service, outcome.ok)) return false;
    tx.update("service", { ...service, endpoint: outcome.ok });
    if (service.endpoint) retryWaiting();   // it may have given something back
    return true;
  }

  function lookAtNode(tx: WriteTx, id: string, ingress: Network | undefined): boolean {
    const node: Node | undefined = tx.get("node", id);
    if (!node) return false;
    const outcome = numbers.nodeAttachmentsFor(node, ingress);
    if ("refused" in outcome) {
      log.warn("node gets no address on the ingress network", { reason: outcome.refused });
      return false;
    }
    if (outcome.ok.length === node.attachments.length && outcome.ok[0]?.addr === node.attachments[0]?.addr) return false;
    tx.update("node", { ...node, attachments: outcome.ok });
    return true;
  }

  function lookAtTask(tx: WriteTx, id: string, ingress: Network | undefined): boolean {
    const task = tx.get("task", id);
    const service = task && tx.get("service", task.serviceId);
    waiting.tasks.delete(id);
    if (!task || !service?.spec || !needsNumbers(task)) return false;
    const spec = task.revision === service.revision ? service.spec : tx.get("revision", revisionId(service.id, task.revision))?.spec ?? service.spec;
    const blocked = waiting.services.get(service.id);
    const outcome = blocked === undefined ? numbers.attachmentsFor(task, spec, ingress) : { refused: blocked };
    const status = task.status ?? newTaskStatus();
    if ("refused" in outcome) {
      waiting.tasks.add(id);
      if (status.err === outcome.refused) return false;
      tx.update("task", { ...task, status: { ...status, message: "waiting for an address", err: outcome.refused } });
      return true;
    }
    tx.update("task", { ...task, networks: outcome.ok, status: { ...status, state: "PENDING", timestampMs: clock.now(), message: "waiting for a node", err: "" } });
    return true;
  }

  return {
    async stop() {
      unwatch();
      await loop.stop();
    },
  };
}

function isSameEndpoint(service: Service, endpoint: NonNullable<Service["endpoint"]>): boolean {
  const present = service.endpoint;
  if (!present || present.ports.length !== endpoint.ports.length || present.vips.length !== endpoint.vips.length) return false;
  return endpoint.vips.every((vip, i) => vip.networkId === present.vips[i]!.networkId && vip.addr === present.vips[i]!.addr)
    && endpoint.ports.every((port, i) => {
      const other = present.ports[i]!;
      return port.mode === other.mode && port.protocol === other.protocol && port.publishedPort === other.publishedPort && port.targetPort === other.targetPort;
    });
}

