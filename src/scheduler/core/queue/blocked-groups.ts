import type { ClusterState } from "../state/index.js";
import { BlockedRequests } from "./blocked-requests.js";
import type { Freed } from "./freed.js";
import type { BlockCause, WaitingGroup } from "./waiting-group.js";

/**
 * Groups that fit nowhere, kept by what they wait for; one that waits for something else is not looked at when something changes. What each
 * registers for is necessary for it to fit (sound), and chosen so that it is rarely there without the rest (selective):
 *
 *   amounts and GPUs       BlockedRequests: nodes where the scarcest amount that it asks for is free now
 *   host ports             a node where one of them was given back
 *   limits and affinities  a task of a service that counts for them has come or gone
 *   volumes                one that it mounts was given back or changed
 *   quota                  its project gave something back, or may have more
 *   gathering gang         more of its tasks (the queue sees to that), or its time
 */
export class BlockedGroups {
  readonly #requests = new BlockedRequests();
  readonly #ports = new Index<string>();
  readonly #services = new Index<string>();
  readonly #projects = new Index<string>();
  readonly #volumes = new Index<string>();
  readonly #gathering = new Set<WaitingGroup>();
  #size = 0;

  get size(): number { return this.#size; }

  add(state: ClusterState, group: WaitingGroup, cause: BlockCause): void {
    const leave: (() => void)[] = [];
    group.place = "blocked";
    group.block = { cause, leave };
    this.#size++;
    switch (cause.kind) {
      case "quota": leave.push(this.#projects.add(cause.project, group)); return;
      case "gathering": this.#gathering.add(group); leave.push(() => this.#gathering.delete(group)); return;
      case "nodes": {
        leave.push(this.#requests.add(state, group));
        for (const port of state.groups.rules[group.g]!.hostPorts) leave.push(this.#ports.add(port, group));
        for (const { source } of state.groups.rules[group.g]!.volumes) leave.push(this.#volumes.add(source, group));
        for (const serviceId of servicesThatCountFor(state, group.g)) leave.push(this.#services.add(serviceId, group));
        return;
      }
      default: {
        const never: never = cause;
        throw new Error(`invariant broken: every cause is registered (${JSON.stringify(never)})`);
      }
    }
  }

  remove(group: WaitingGroup): void {
    if (!group.block) return;
    for (const leave of group.block.leave) leave();
    group.block = undefined;
    this.#size--;
  }

  /** Whether anybody waits for tasks of this service to come or go. */
  watchesService(serviceId: string): boolean { return this.#services.has(serviceId); }

  /** The groups that may fit after what has happened, each once; they stay registered until `remove`. */
  awakened(state: ClusterState, freed: Freed, canFit: (g: number, n: number) => boolean): Set<WaitingGroup> {
    const found = new Set<WaitingGroup>();
    for (const n of freed.nodes) if (this.#requests.visit(state, n, freed.changedNodes.has(n), canFit, found)) freed.again.add(n);
    for (const [port, nodes] of freed.ports) {
      for (const group of this.#ports.get(port)) for (const n of nodes) if (canFit(group.g, n)) { found.add(group); break; }
    }
    for (const serviceId of freed.services) for (const group of this.#services.get(serviceId)) found.add(group);
    for (const volume of freed.volumes) for (const group of this.#volumes.get(volume)) found.add(group);
    for (const project of freed.projects) for (const group of this.#projects.get(project)) found.add(group);
    return found;
  }

  /** Gangs that have waited long enough for the rest of their tasks. */
  overdue(nowMs: number): WaitingGroup[] {
    return [...this.#gathering].filter(({ block }) => block?.cause.kind === "gathering" && block.cause.untilMs <= nowMs);
  }
}

/** Whose tasks, by coming or going anywhere, can make room for tasks of `g`. */
function servicesThatCountFor(state: ClusterState, g: number): Set<string> {
  const rules = state.groups.rules[g]!;
  const services = new Set<string>();
  if (rules.maxPerNode > 0 || rules.maxPer.length > 0) services.add(state.services.ids[state.groups.service[g]!]!);
  for (const { serviceId, isRequired } of rules.affinities) if (isRequired) services.add(serviceId);
  for (const { group } of state.repellersOf(g)) services.add(state.services.ids[state.groups.service[group]!]!);
  return services;
}

class Index<K> {
  readonly #groups = new Map<K, Set<WaitingGroup>>();

  has(key: K): boolean { return this.#groups.has(key); }
  get(key: K): Iterable<WaitingGroup> { return this.#groups.get(key) ?? []; }

  /** Returns what ends it. */
  add(key: K, group: WaitingGroup): () => void {
    let groups = this.#groups.get(key);
    if (!groups) this.#groups.set(key, groups = new Set());
    groups.add(group);
    return () => {
      groups.delete(group);
      if (groups.size === 0) this.#groups.delete(key);
    };
  }
}
