import type { PendingReason } from "../../../model/index.js";
import { filters, Places, type Refusal } from "../filters/index.js";
import { memory, type ClusterState } from "../state/index.js";

/** Labels can make every node a reason of its own; the rest says no more than the first ones. */
const maxReasons = 10;

/**
 * Every reason that keeps tasks of group `g` from `nodes` (rows; all that there are), most nodes first. A node counts for the first that refuses it; nodes
 * that fit give none. The short form, written on tasks that wait: the loop makes it for every group that is blocked, so a node
 * that lacks an amount costs a comparison and no string.
 */
export function explainRefusals(state: ClusterState, g: number, nodes?: ArrayLike<number>): PendingReason[] {
  const steps = refusalSteps(state, g, nodes);
  let step = steps.next();
  while (!step.done) step = steps.next();
  return step.value;
}

/** Nodes looked at before whoever runs this may see to something else: below 1 ms. */
const nodesPerStep = 1_024;

/** The same for who has time, and a state that does not change meanwhile: yields between slices. */
export function* refusalSteps(state: ClusterState, g: number, nodes: ArrayLike<number> = state.nodes.alive.toArray()): Generator<void, PendingReason[]> {
  const r = state.groups.request[g]!;
  const classOf = state.requests.eligibility[r]!;
  const asked = filters.filter((filter) => filter.concerns(state, g));
  const counts = new Counts();
  const lack = new Lacks(state, r);
  const look = (n: number) => {
    if (!state.predicates.eligible[classOf]!.has(n)) return counts.predicate(state, classOf, n);
    for (const filter of asked) {
      if (filter.name === "resources" && lack.note(n)) return;
      if (filter.room(state, g, n) > 0) continue;
      const [refusal] = filter.refusals(state, g, n);
      if (refusal) counts.refusal(refusal, state.nodes.names[n]!);
      return;
    }
  };
  for (let i = 0; i < nodes.length; i++) {
    look(nodes[i]!);
    if (i % nodesPerStep === nodesPerStep - 1) yield;
  }
  for (const { n, dimension, count } of lack.found()) {
    const refusals = filters.find(({ name }) => name === "resources")!.refusals(state, g, n);
    const refusal = refusals.find(({ cause }) => cause === dimension) ?? refusals[0];
    if (refusal) counts.refusal(refusal, state.nodes.names[n]!, count);
  }
  return counts.reasons();
}

/** "no node fits: needs 4.0 GiB memory, most free is 1.2 GiB on n3 (2 nodes); constraint node.labels.disk==ssd not met (1 node)" */
export function sentenceOf(reasons: readonly PendingReason[]): string {
  if (reasons.length === 0) return "no node fits: the cluster has no node";
  return `no node fits: ${reasons.map(({ detail, nodes }) => `${detail} (${nodes} node${nodes === 1 ? "" : "s"})`).join("; ")}`;
}

/** For a task that can only be on one node. */
export const sentenceForNode = (nodeName: string, reasons: readonly PendingReason[]): string =>
  `waits for node ${nodeName}: ${reasons.map(({ detail }) => ofOneNode(detail, nodeName)).join("; ") || "it is not in the cluster"}`;

/** "needs 4.0 GiB memory, most free is 1.2 GiB on n3", where there is only n3: "needs 4.0 GiB memory, 1.2 GiB free" */
const ofOneNode = (detail: string, nodeName: string): string => (detail.endsWith(` on ${nodeName}`) ? detail.slice(0, -` on ${nodeName}`.length).replace(/, most free is (.+)$/, ", $1 free") : detail);

/** "needs 2.0 GiB memory, 1.2 GiB free", said of the best of several nodes: "needs 2.0 GiB memory, most free is 1.2 GiB on n3". */
export function mostFree(detail: string, nodeName: string): string {
  const [, amount, free] = /^(.*), (.+?)(?: is| are)? free$/.exec(detail) ?? [];
  if (amount !== undefined) return `${amount}, most free is ${free} on ${nodeName}`;
  return detail.includes(", most free on one is ") ? `${detail}, on ${nodeName}` : detail;
}

export const nodeHasNone = ", node has none";

/** Whether a node of which `detail` is said comes closer than the one before. Of nodes with nothing free one that has some at all: "node has none" would not be true of it. */
export const isCloser = (detail: string, free: number, before: string, freeBefore: number): boolean =>
  free > freeBefore || (free === freeBefore && before.endsWith(nodeHasNone) && !detail.endsWith(nodeHasNone));

/** Of a node that is barred: it passes everything and is not to be had. */
export const keptFilter = "reserved";
export const kept = { filter: keptFilter, detail: "node is kept for another service, which waits for room" } as const;

/** Reasons as they are counted. Amounts are told of the node that has most of it, everything else in its own words. */
class Counts {
  readonly #counts = new Map<string, { filter: string; detail: string; nodes: number; free: number; places?: Places }>();

  predicate(state: ClusterState, classOf: number, n: number): void {
    for (const p of state.predicates.classes[classOf]!) {
      if (state.predicates.passing[p]!.has(n)) continue;
      const predicate = state.predicates.predicates[p]!;
      return this.#add(predicate.filter, predicate.refusal(state.nodeObjects[n]!), 1);
    }
    this.#add(kept.filter, kept.detail, 1);
  }

  refusal({ filter, detail, cause, needed, free, place }: Refusal, nodeName: string, count = 1): void {
    const key = `${filter}\0${cause}`;
    const known = this.#counts.get(key);
    if (place) {
      const places = known?.places ?? new Places();
      places.add(place);
      if (known) known.nodes += count;
      else this.#counts.set(key, { filter, detail, nodes: count, free: 0, places });
      return;
    }
    if (needed === undefined || free === undefined) return this.#add(filter, detail, count);
    if (!known) this.#counts.set(key, { filter, detail: mostFree(detail, nodeName), nodes: count, free });
    else {
      known.nodes += count;
      if (isCloser(detail, free, known.detail, known.free)) { known.free = free; known.detail = mostFree(detail, nodeName); }
    }
  }

  #add(filter: string, detail: string, count: number): void {
    const key = `${filter}\0${detail}`;
    const known = this.#counts.get(key);
    if (known) known.nodes += count;
    else this.#counts.set(key, { filter, detail, nodes: count, free: 0 });
  }

  reasons(): PendingReason[] {
    return [...this.#counts.values()].map(({ filter, detail, nodes, places }) => ({ filter, nodes, detail: places?.text(detail) ?? detail }))
      .sort((a, b) => b.nodes - a.nodes || (a.detail < b.detail ? -1 : 1)).slice(0, maxReasons);
  }
}

/** Nodes that lack an amount of one dimension, read from the columns: memory first, which people run out of first, then in the order of the dimensions. */
class Lacks {
  readonly #order: readonly number[];
  readonly #counts: number[];
  readonly #best: number[];

  constructor(readonly state: ClusterState, readonly r: number) {
    const all = state.requests.amount.map((_, d) => d).filter((d) => state.requests.amount[d]![r]! > 0);
    this.#order = [...all.filter((d) => d === memory), ...all.filter((d) => d !== memory)];
    this.#counts = state.requests.amount.map(() => 0);
    this.#best = state.requests.amount.map(() => -1);
  }

  note(n: number): boolean {
    const { nodes, requests } = this.state;
    for (const d of this.#order) {
      const free = nodes.free[d]![n]!;
      if (free >= requests.amount[d]![this.r]!) continue;
      this.#counts[d]!++;
      const best = this.#best[d]!;
      // Of nodes with nothing free one that has some at all: "node has none" would not be true of it.
      if (best === -1 || free > nodes.free[d]![best]! || (free === nodes.free[d]![best]! && nodes.total[d]![best] === 0)) this.#best[d] = n;
      return true;
    }
    return false;
  }

  *found(): Iterable<{ readonly n: number; readonly dimension: string; readonly count: number }> {
    for (const d of this.#order) if (this.#counts[d]! > 0) yield { n: this.#best[d]!, dimension: this.state.dimensions.names[d]!, count: this.#counts[d]! };
  }
}
