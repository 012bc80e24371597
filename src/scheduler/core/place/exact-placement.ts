import { countAnywhere, countsByValue, isOwn, type Filter } from "../filters/index.js";
import { nowhere, unlimited, type AffinityRule, type ClusterState } from "../state/index.js";
import { CandidateHeap } from "./candidate-heap.js";
import { affinityName, affinityPoints, overHalfPoints, staticTerms, type StaticTerm } from "./soft-terms.js";
import type { Strategy, StrategyScores } from "./strategy.js";

/** What one decision is about. */
export interface Demand {
  readonly state: ClusterState;
  readonly scores: StrategyScores;
  readonly filters: readonly Filter[];
  readonly strategy: Strategy;
  readonly g: number;
  readonly nowMs: number;
}

export interface RankedNode { readonly n: number; readonly rank: number; readonly total: number; readonly terms: readonly { readonly name: string; readonly value: number }[] }

/** A rule of the service about its own tasks that a place (the nodes with the same value of an attribute) as a whole keeps or breaks. */
interface PlaceRule {
  /** Row of the attribute's values by node. */
  readonly valueRows: Int32Array;
  /** Tasks of the service by value; kept while tasks are placed. */
  readonly counts: Int32Array;
  /** At most so many; `unlimited` = any number. */
  readonly most: number;
  /** Where one is already, unless there is none anywhere. */
  readonly isNear: boolean;
  readonly soft: AffinityRule | undefined;
}

/** Nodes that are the same to all place rules and in the same branch: their best one stands for all. */
interface Cell { readonly values: readonly number[]; readonly heap: CandidateHeap }

/** A value of a placement preference's attribute, or the whole cluster; the innermost have the cells. */
interface Branch {
  readonly children: Branch[];
  readonly cells: Cell[];
  tasks: number;      // of the service, on all nodes of the branch, full ones too
  isFull: boolean;
}

/**
 * Places tasks of one group with every rule there is, exactly: all eligible nodes are filtered and scored once, then each task takes the best
 * of them, whose score is brought up to date. O(nodes + tasks × (log nodes + branches + places)).
 *
 * Only tasks of the group's own service are placed meanwhile: what depends on others is looked at once. What depends on the own ones is kept by node
 * (limits, ports, the strategy) or by place (limits per zone, affinities to itself).
 */
export class ExactPlacement {
  readonly #rules: readonly PlaceRule[];
  readonly #root: Branch;
  readonly #terms: readonly StaticTerm[];
  /** By candidate. */
  readonly #nodes: Int32Array;
  readonly #room: Float64Array;
  readonly #fixed: Float64Array;
  readonly #own: Int32Array;
  readonly #half: number;
  readonly #nodeAffinities: readonly AffinityRule[];
  #anywhere: number;

  constructor(readonly demand: Demand) {
    const { state, g } = demand;
    const rules = state.groups.rules[g]!, s = state.groups.service[g]!;
    this.#half = rules.replicas > 1 && demand.strategy !== "SPREAD" ? Math.ceil(rules.replicas / 2) : unlimited;
    this.#terms = staticTerms(state, g, demand.strategy, demand.nowMs);
    this.#anywhere = countAnywhere(state, s);
    const own = rules.affinities.filter((rule) => isOwn(state, g, rule));
    this.#nodeAffinities = own.filter(({ key, isRequired }) => key === "node.id" && !isRequired);
    const place = (key: string, fields: Partial<PlaceRule>): PlaceRule =>
      ({ valueRows: state.attribute(key).valueOf, counts: countsByValue(state, s, key).slice(), most: unlimited, isNear: false, soft: undefined, ...fields });
    this.#rules = [
      ...rules.maxPer.filter(({ key }) => key !== "node.id").map(({ key, count }) => place(key, { most: count })),
      ...own.filter(({ key, isRequired, isAnti }) => isRequired && (key !== "node.id" || !isAnti)).map((rule) => place(rule.key, rule.isAnti ? { most: 1 } : { isNear: true })),
      ...own.filter(({ key, isRequired }) => key !== "node.id" && !isRequired).map((rule) => place(rule.key, { soft: rule })),
    ];

    const onNode = countsOnNodes(state, s);
    const asked = demand.filters.filter((filter) => filter.concerns(state, g));
    const r = state.groups.request[g]!;
    const found: number[] = [], rooms: number[] = [];
    state.predicates.eligible[state.requests.eligibility[r]!]!.forEach((n) => {
      let room = unlimited;
      for (let i = 0; i < asked.length && room > 0; i++) room = Math.min(room, asked[i]!.room(state, g, n));
      if (room <= 0) return;
      found.push(n);
      rooms.push(room);
    });
    // A filter says how much room there is on the node as if the others of its zone stayed as they are; limits by place are counted here.
    this.#nodes = Int32Array.from(found);
    this.#room = Float64Array.from(rooms);
    this.#own = Int32Array.from(found, (n) => onNode[n]!);
    this.#fixed = Float64Array.from(found, (n) => this.#terms.reduce((sum, { value }) => sum + value(n), 0));
    this.#root = this.#grow(Int32Array.from(found, (_, i) => i), placedNodes(state, s), rules.spread, 0);
  }

  /** Places tasks[from], tasks[from + 1], … until one fits nowhere or `limit` are placed. How many were. */
  place(tasks: ArrayLike<number>, limit: number): number {
    let placed = 0;
    while (placed < limit && this.#takeFrom(this.#root, tasks[placed]!)) placed++;
    return placed;
  }

  /**
   * Candidates for the next task, best first, with what their score is made of; and node `including` with its place among them, however far down. Terms are
   * made of those that are returned only: 10,000 candidates in 4 ms.
   */
  rank(limit: number, including = -1): RankedNode[] {
    const candidates: Candidate[] = [];
    const visit = (branch: Branch, path: readonly number[]): void => {
      for (const cell of branch.cells) {
        if (!this.#isOpen(cell)) continue;
        const placePoints = this.#placePoints(cell);
        for (const i of cell.heap.items) candidates.push({ i, n: this.#nodes[i]!, cell, path, points: this.#points(i) + placePoints });
      }
      for (const [at, child] of branch.children.entries()) visit(child, [...path, child.tasks, at]);
    };
    visit(this.#root, []);
    const best: Candidate[] = [];
    const chosen = candidates.find(({ n }) => n === including);
    let above = 0;
    for (const candidate of candidates) {
      if (chosen && isBetter(candidate, chosen)) above++;
      if (best.length >= limit && (limit === 0 || !isBetter(candidate, best[limit - 1]!))) continue;
      let at = best.length;
      while (at > 0 && isBetter(candidate, best[at - 1]!)) at--;
      best.splice(at, 0, candidate);
      if (best.length > limit) best.pop();
    }
    if (chosen && above >= limit) best.push(chosen);
    return best.map(({ i, cell, path }, at) => ({ ...this.#explain(i, cell, path), rank: at < limit ? at + 1 : above + 1 }));
  }

  #explain(i: number, cell: Cell, path: readonly number[]): { n: number; total: number; terms: { name: string; value: number }[] } {
    const { state, g, scores, strategy } = this.demand;
    const n = this.#nodes[i]!, r = state.groups.request[g]!;
    const spread = state.groups.rules[g]!.spread;
    const terms = this.#terms.map(({ name, value }) => ({ name, value: value(n) }));
    for (let level = 0; level < spread.length; level++) terms.push({ name: `spread over ${spread[level]}`, value: -branchPoints * path[2 * level]! });
    if (this.#own[i]! >= this.#half) terms.push({ name: "half of the replicas", value: overHalfPoints });
    for (const rule of this.#nodeAffinities) terms.push({ name: affinityName(rule), value: affinityPoints(rule, strategy, this.#own[i]!) });
    for (const [at, { soft, counts }] of this.#rules.entries()) if (soft) terms.push({ name: affinityName(soft), value: affinityPoints(soft, strategy, counts[cell.values[at]!]!) });
    terms.push({ name: strategy.toLowerCase(), value: scores.of(strategy, n, r, this.#own[i]!) });
    return { n, total: terms.reduce((sum, { value }) => sum + value, 0), terms: terms.filter(({ value }, at) => value !== 0 || at === terms.length - 1) };
  }

  // ---- the tree ----

  #grow(members: Int32Array, holders: readonly number[], keys: readonly string[], level: number): Branch {
    const branch: Branch = { children: [], cells: [], tasks: holders.length, isFull: false };
    const key = keys[level];
    if (key === undefined) {
      branch.cells.push(...this.#cellsOf(members));
      return branch;
    }
    const { valueOf, values } = this.demand.state.attribute(key);
    const memberGroups = groupBy(members, (i) => valueOf[this.#nodes[i]!]!);
    const holderGroups = groupBy(holders, (n) => valueOf[n]!);
    const inOrder = [...memberGroups].sort(([a], [b]) => (values.names[a]! < values.names[b]! ? -1 : 1));
    for (const [value, group] of inOrder) branch.children.push(this.#grow(Int32Array.from(group), holderGroups.get(value) ?? [], keys, level + 1));
    return branch;
  }

  #cellsOf(members: Int32Array): Cell[] {
    const isBefore = (a: number, b: number) => { const pa = this.#points(a), pb = this.#points(b); return pa !== pb ? pa > pb : this.#nodes[a]! < this.#nodes[b]!; };
    if (this.#rules.length === 0) return [{ values: [], heap: new CandidateHeap([...members], isBefore) }];
    const cells = groupBy(members, (i) => this.#rules.map(({ valueRows }) => valueRows[this.#nodes[i]!]!).join(","));
    return [...cells.values()].map((group) => ({ values: this.#rules.map(({ valueRows }) => valueRows[this.#nodes[group[0]!]!]!), heap: new CandidateHeap(group, isBefore) }));
  }

  /** What the node itself scores; what its place scores is the same for the whole cell. */
  #points(i: number): number {
    const { state, g, scores, strategy } = this.demand;
    const own = this.#own[i]!;
    let points = this.#fixed[i]! + scores.of(strategy, this.#nodes[i]!, state.groups.request[g]!, own);
    if (own >= this.#half) points += overHalfPoints;
    for (const rule of this.#nodeAffinities) points += affinityPoints(rule, strategy, own);
    return points;
  }

  #placePoints(cell: Cell): number {
    let points = 0;
    for (let at = 0; at < this.#rules.length; at++) {
      const { soft, counts } = this.#rules[at]!;
      if (soft) points += affinityPoints(soft, this.demand.strategy, counts[cell.values[at]!]!);
    }
    return points;
  }

  #isOpen(cell: Cell): boolean {
    for (let at = 0; at < this.#rules.length; at++) {
      const { counts, most, isNear } = this.#rules[at]!;
      const count = counts[cell.values[at]!]!;
      if (count >= most || (isNear && count === 0 && this.#anywhere > 0)) return false;
    }
    return true;
  }

  #takeFrom(branch: Branch, t: number): boolean {
    if (branch.children.length > 0) {
      for (;;) {
        let least: Branch | undefined;
        for (const child of branch.children) if (!child.isFull && (!least || child.tasks < least.tasks)) least = child;
        if (!least) break;
        if (!this.#takeFrom(least, t)) continue;
        branch.tasks++;
        return true;
      }
    } else if (this.#takeFromCells(branch.cells, t)) {
      branch.tasks++;
      return true;
    }
    branch.isFull = true;
    return false;
  }

  #takeFromCells(cells: readonly Cell[], t: number): boolean {
    let best: Cell | undefined, most = -Infinity, first = -1;
    for (const cell of cells) {
      const i = cell.heap.top;
      if (i === undefined || !this.#isOpen(cell)) continue;
      const points = cells.length === 1 ? 0 : this.#points(i) + this.#placePoints(cell);
      if (points < most || (points === most && this.#nodes[i]! > first)) continue;
      best = cell;
      most = points;
      first = this.#nodes[i]!;
    }
    if (!best) return false;
    const i = best.heap.top!;
    this.demand.state.place(t, this.#nodes[i]!);
    this.#own[i]!++;
    this.#anywhere++;
    for (let at = 0; at < this.#rules.length; at++) this.#rules[at]!.counts[best.values[at]!]!++;
    if (--this.#room[i]! > 0) best.heap.topChanged();
    else best.heap.dropTop();
    return true;
  }
}

interface Candidate { readonly i: number; readonly n: number; readonly cell: Cell; readonly path: readonly number[]; readonly points: number }

function isBetter(a: Candidate, b: Candidate): boolean {
  if (a.path !== b.path) for (let level = 0; level < a.path.length; level++) if (a.path[level] !== b.path[level]) return a.path[level]! < b.path[level]!;
  return a.points !== b.points ? a.points > b.points : a.n < b.n;
}

/** For the score table: a task more in the branch of a placement preference outweighs whatever distinguishes its nodes. */
const branchPoints = 1e7;

function groupBy<K>(items: Iterable<number>, keyOf: (item: number) => K): Map<K, number[]> {
  const groups = new Map<K, number[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}

/** The node of each wanted task of the service. */
function placedNodes({ services, tasks }: ClusterState, s: number): number[] {
  const nodes: number[] = [];
  for (let t = services.firstTask[s]!; t !== nowhere; t = tasks.nextOfService(t)) if (tasks.counts[t] === 1) nodes.push(tasks.node[t]!);
  return nodes;
}

function countsOnNodes(state: ClusterState, s: number): Int32Array {
  const counts = new Int32Array(state.nodes.size);
  for (const n of placedNodes(state, s)) counts[n]!++;
  return counts;
}
