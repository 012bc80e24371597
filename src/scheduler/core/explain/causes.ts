import { amountText, filters, Places, wordOf, type Filter, type Refusal } from "../filters/index.js";
import { memory, type ClusterState, type Predicate } from "../state/index.js";
import { isCloser, kept, mostFree, nodeHasNone } from "./sentence.js";

/** One thing that keeps tasks of a group from nodes. */
export interface Cause {
  /** As in PendingReason.filter. */
  readonly filter: string;
  /** Of the node that comes closest, where they differ: "needs 4.0 GiB memory, most free is 1.2 GiB on n3". */
  detail: string;
  /** Node rows that it refuses, whatever else does. */
  readonly nodes: number[];
  /** What a predicate asks for; none where the cause is what runs there. */
  readonly predicate: Predicate | undefined;
  /** Of amounts: the dimension's row, what is asked, and the most that one of `nodes` has free. */
  readonly dimension: number | undefined;
  readonly needed: number | undefined;
  free: number | undefined;
  /** As its filter names it: a port, an attribute's key. Causes of one filter differ in it. */
  readonly name: string;
}

/** Nodes that are refused by exactly the same causes. */
export interface Pattern { readonly causes: readonly Cause[]; readonly nodes: readonly number[] }

export interface Causes {
  readonly looked: number;
  /** Node rows that would take one more task now. */
  readonly fitting: readonly number[];
  /** Most nodes first. */
  readonly causes: readonly Cause[];
  readonly patterns: readonly Pattern[];
}

/** Nodes looked at before whoever runs this may see to something else: below 1 ms. */
const nodesPerSlice = 256;

/** Every predicate and every filter asked of every node (or of `nodes`), not only the first that refuses. Yields between slices. */
export function* collectCauses(state: ClusterState, g: number, nodes: ArrayLike<number> = state.nodes.alive.toArray()): Generator<void, Causes> {
  const collector = new Collector(state, g);
  for (let i = 0; i < nodes.length; i++) {
    if (state.nodes.alive.has(nodes[i]!)) collector.look(nodes[i]!);
    if (i % nodesPerSlice === nodesPerSlice - 1) yield;
  }
  return collector.result();
}

/** Everything that keeps one more task of `g` from node `n`, in its own words; nothing where it fits. */
export function refusalsOn(state: ClusterState, g: number, n: number): string[] {
  const node = state.nodeObjects[n];
  if (!node) return [];
  const refused = [...state.predicates.classes[state.requests.eligibility[state.groups.request[g]!]!]!].filter((p) => !state.predicates.passing[p]!.has(n)).map((p) => state.predicates.predicates[p]!);
  const lacksModel = refused.some(({ filter }) => filter === "gpu-model");
  const asked = node.description ? filters.filter((filter) => filter.concerns(state, g) && filter.room(state, g, n) === 0 && !(filter.name === "gpu" && lacksModel)) : [];
  return [
    ...refused.map((predicate) => predicate.refusal(node)), ...(state.predicates.barred.has(n) ? [kept.detail] : []),
    ...asked.flatMap((filter) => filter.refusals(state, g, n)).map(({ detail }) => detail),
  ];
}

class Collector {
  readonly #predicates: Int32Array;
  readonly #dimensions: readonly number[];
  readonly #filters: readonly Filter[];
  readonly #fitting: number[] = [];
  readonly #causes: Cause[] = [];
  readonly #rows = new Map<string, number>();
  readonly #patterns = new Map<string, number[]>();
  readonly #patternCauses: (readonly number[])[] = [];
  readonly #places = new Map<Cause, Places>();
  /** Of the node that is looked at. */
  #present: number[] = [];
  #looked = 0;

  constructor(readonly state: ClusterState, readonly g: number) {
    const r = state.groups.request[g]!;
    this.#predicates = state.predicates.classes[state.requests.eligibility[r]!]!;
    const all = state.requests.amount.map((_, d) => d).filter((d) => state.requests.amount[d]![r]! > 0);
    this.#dimensions = [...all.filter((d) => d === memory), ...all.filter((d) => d !== memory)];
    // Amounts are read from the columns: the filter's sentences about each node would cost more than all the rest.
    this.#filters = filters.filter((filter) => filter.name !== "resources" && filter.concerns(state, g));
  }

  look(n: number): void {
    const { state, g } = this;
    this.#looked++;
    this.#present = [];
    const node = state.nodeObjects[n]!;
    let lacksModel = false;
    for (const p of this.#predicates) {
      if (state.predicates.passing[p]!.has(n)) continue;
      const predicate = state.predicates.predicates[p]!;
      if (predicate.filter === "gpu-model") lacksModel = true;
      this.#add(n, predicate.filter, predicate.refusal(node), predicate);
    }
    if (state.predicates.barred.has(n)) this.#add(n, kept.filter, kept.detail, undefined);
    // Of a node that never said what it has, nothing more can be told.
    if (node.description) {
      const r = state.groups.request[g]!;
      for (const d of this.#dimensions) {
        const needed = state.requests.amount[d]![r]!, free = state.nodes.free[d]![n]!;
        if (free < needed) this.#addAmount(n, d, needed, free);
      }
      for (const filter of this.#filters) {
        if (filter.name === "gpu" && lacksModel) continue;        // said already
        if (filter.room(state, g, n) > 0) continue;
        for (const refusal of filter.refusals(state, g, n)) this.#addRefusal(n, refusal);
      }
    }
    if (this.#present.length === 0) { this.#fitting.push(n); return; }
    const key = this.#present.join(",");
    const known = this.#patterns.get(key);
    if (known) known.push(n);
    else { this.#patterns.set(key, [n]); this.#patternCauses.push(this.#present); }
  }

  #add(n: number, filter: string, detail: string, predicate: Predicate | undefined): void {
    this.#note(n, `${filter}\0${detail}`, () => ({ filter, detail, nodes: [], predicate, dimension: undefined, needed: undefined, free: undefined, name: detail }));
  }

  #addAmount(n: number, d: number, needed: number, free: number): void {
    const dimension = this.state.dimensions.names[d]!;
    const cause = this.#note(n, `resources\0${dimension}`, () => ({ filter: "resources", detail: "", nodes: [], predicate: undefined, dimension: d, needed, free: -Infinity, name: dimension }));
    const total = this.state.nodes.total[d]![n]!;
    if (free < cause.free! || (free === cause.free && (total === 0 || !cause.detail.endsWith(nodeHasNone)))) return;
    cause.free = free;
    cause.detail = total === 0 ? `needs ${amountText(dimension, needed)} ${wordOf(dimension)}, node has none`
      : `needs ${amountText(dimension, needed)} ${wordOf(dimension)}, most free is ${amountText(dimension, free)} on ${this.state.nodes.names[n]!}`;
  }

  #addRefusal(n: number, { filter, cause: name, detail, needed, free, place }: Refusal): void {
    const nodeName = this.state.nodes.names[n]!;
    const cause = this.#note(n, `${filter}\0${name}`, () => ({ filter, detail: needed === undefined ? detail : mostFree(detail, nodeName), nodes: [], predicate: undefined, dimension: undefined, needed, free, name }));
    if (place) {
      let places = this.#places.get(cause);
      if (!places) this.#places.set(cause, places = new Places());
      places.add(place);
    }
    if (needed === undefined || free === undefined || !isCloser(detail, free, cause.detail, cause.free ?? 0)) return;
    cause.free = free;
    cause.detail = mostFree(detail, nodeName);
  }

  #note(n: number, key: string, make: () => Cause): Cause {
    let row = this.#rows.get(key);
    if (row === undefined) {
      row = this.#causes.push(make()) - 1;
      this.#rows.set(key, row);
    }
    const cause = this.#causes[row]!;
    if (cause.nodes.at(-1) !== n) { cause.nodes.push(n); this.#present.push(row); }
    return cause;
  }

  result(): Causes {
    for (const [cause, places] of this.#places) cause.detail = places.text(cause.detail);
    const patterns = [...this.#patterns.values()].map((nodes, i): Pattern => ({ causes: this.#patternCauses[i]!.map((row) => this.#causes[row]!), nodes }));
    return {
      looked: this.#looked, fitting: this.#fitting, patterns,
      causes: [...this.#causes].sort((a, b) => b.nodes.length - a.nodes.length || (a.detail < b.detail ? -1 : 1)),
    };
  }
}
