import { countAnywhere, countsByValue, isOwn, type Filter } from "../filters/index.js";
import { nowhere, unlimited, type AffinityRule, type ClusterState } from "../state/index.js";
import { CandidateHeap } from "./candidate-heap.js";
import { affinityName, affinityPoints, overHalfPoints, staticTerms, type StaticTerm } from "./soft-terms.js";
import type { Strategy, StrategyScores } from "./strategy.js";

/** Nodes looked at before whoever runs this in steps may see to something else: a few hundred microseconds. */
const nodesPerStep = 2_000;
const wordsPerStep = 32;

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
  #root: Branch = { children: [], cells: [], tasks: 0, isFull: true };
  readonly #terms: readonly StaticTerm[];
  /** By candidate. */
  #nodes = new Int32Array(0);
  #room = new Float64Array(0);
  #fixed = new Float64Array(0);
  #own = new Int32Array(0);
  /** What the node itself scores (#points): that of one changes only when a task is placed there. */
  #score = new Float64Array(0);
  readonly #half: number;
  readonly #nodeAffinities: readonly AffinityRule[];
  #anywhere: number;

  constructor(readonly demand: Demand) {
    const { state, g } = demand, rules = state.groups.rules[g]!, s = state.groups.service[g]!;
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
  }

  /** Looks at every node, all at once: to be called before anything else, or `prepareSteps` in its place. */
  prepared(): this {
    for (const _ of this.prepareSteps());
    return this;
  }

  *prepareSteps(): Generator<void> {
    const { state, g, filters } = this.demand, s = state.groups.service[g]!, r = state.groups.request[g]!;
    const onNode = countsOnNodes(state, s);
    const asked = filters.filter((filter) => filter.concerns(state, g));
    const found: number[] = [], rooms: number[] = [];
    const { words } = state.predicates.eligible[state.requests.eligibility[r]!]!;
    for (let w = 0; w < words.length; w++) {
      for (let word = words[w]!; word !== 0; word &= word - 1) {
        const n = (w << 5) + 31 - Math.clz32(word & -word);
        let room: number = unlimited;
        for (let i = 0; i < asked.length && room > 0; i++) room = Math.min(room, asked[i]!.room(state, g, n));
        if (room <= 0) continue;
        found.push(n);
        rooms.push(room);
      }
      if (w % wordsPerStep === wordsPerStep - 1) yield;
    }
    // A filter says how much room there is on the node as if the others of its zone stayed as they are; limits by place are counted here.
    this.#nodes = Int32Array.from(found);
    this.#room = Float64Array.from(rooms);
    this.#own = new Int32Array(found.length);
    this.#fixed = new Float64Array(found.length);
    this.#score = new Float64Array(found.length);
    for (let i = 0; i < found.length; i++) {
      const n = found[i]!;
      this.#own[i] = onNode[n]!;
      let fixed = 0;
      for (let at = 0; at < this.#terms.length; at++) fixed += this.#terms[at]!.value(n);
      this.#fixed[i] = fixed;
      this.#score[i] = this.#points(i);
      if (i % nodesPerStep === nodesPerStep - 1) yield;
    }
    const members = new Int32Array(found.length);
    for (let i = 0; i < found.length; i++) members[i] = i;
    this.#root = this.#grow(members, placedNodes(state, s), state.groups.rules[g]!.spread, 0);
    yield;
  }

  /** Places tasks[from], tasks[from + 1], … until one fits nowhere or `limit` are placed. How many were. */
  place(tasks: ArrayLike<number>, limit: number): number {
    let placed = 0;
    while (placed < limit && this.#takeFrom(this.#root, tasks[placed]!)) placed++;
    return placed;
  }

  /**
   * Candidates for the next task, best first, with what their score is made of; and node `including` with its place among them, however far down. Terms are
   * made of those that are returned only.
   */
  *rankSteps(limit: number, including = -1): Generator<void, RankedNode[]> {
    const open = this.#openCells(this.#root, []);
    const best: Candidate[] = [];
    let chosen: Candidate | undefined;
    for (const { cell, path, placePoints } of including < 0 ? [] : open) {
      const i = cell.heap.items.find((item) => this.#nodes[item] === including);
      if (i !== undefined) chosen = { i, n: including, cell, path, points: this.#score[i]! + placePoints };
    }
    let above = 0, looked = 0;
    for (const { cell, path, placePoints } of open) {
      for (const i of cell.heap.items) {
        if (++looked % nodesPerStep === 0) yield;
        const n = this.#nodes[i]!, points = this.#score[i]! + placePoints;
        if (chosen && isBetter(path, points, n, chosen)) above++;
        if (best.length >= limit && (limit === 0 || !isBetter(path, points, n, best[limit - 1]!))) continue;
        let at = best.length;
        while (at > 0 && isBetter(path, points, n, best[at - 1]!)) at--;
        best.splice(at, 0, { i, n, cell, path, points });
        if (best.length > limit) best.pop();
      }
    }
    if (chosen && above >= limit) best.push(chosen);
    return best.map(({ i, cell, path }, at) => ({ ...this.#explain(i, cell, path), rank: at < limit ? at + 1 : above + 1 }));
  }

  #openCells(branch: Branch, path: readonly number[]): OpenCell[] {
    const own = branch.cells.filter((cell) => this.#isOpen(cell)).map((cell) => ({ cell, path, placePoints: this.#placePoints(cell) }));
    return [...own, ...branch.children.flatMap((child, at) => this.#openCells(child, [...path, child.tasks, at]))];
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
    const score = this.#score, nodes = this.#nodes;
    const isBefore = (a: number, b: number) => (score[a]! !== score[b]! ? score[a]! > score[b]! : nodes[a]! < nodes[b]!);
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
      const points = cells.length === 1 ? 0 : this.#score[i]! + this.#placePoints(cell);
      if (points < most || (points === most && this.#nodes[i]! > first)) continue;
      best = cell;
      most = points;
      first = this.#nodes[i]!;
    }
    if (!best) return false;
    const i = best.heap.top!;
    this.demand.state.place(t, this.#nodes[i]!);
    this.#own[i]!++;
    this.#score[i] = this.#points(i);
    this.#anywhere++;
    for (let at = 0; at < this.#rules.length; at++) this.#rules[at]!.counts[best.values[at]!]!++;
    if (--this.#room[i]! > 0) best.heap.topChanged();
    else best.heap.dropTop();
    return true;
  }
}

interface OpenCell { readonly cell: Cell; readonly path: readonly number[]; readonly placePoints: number }
interface Candidate { readonly i: number; readonly n: number; readonly cell: Cell; readonly path: readonly number[]; readonly points: number }

function isBetter(path: readonly number[], points: number, n: number, other: Candidate): boolean {
  if (path !== other.path) for (let level = 0; level < path.length; level++) if (path[level] !== other.path[level]) return path[level]! < other.path[level]!;
  return points !== other.points ? points > other.points : n < other.n;
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
function placedNodes(state: ClusterState, s: number): number[] {
  const { tasks } = state;
  const nodes: number[] = [];
  for (let t = state.firstOfService(s); t !== nowhere; t = state.nextOfService(t)) if (tasks.countOf(t) === 1) nodes.push(tasks.nodeOf(t));
  return nodes;
}

function countsOnNodes(state: ClusterState, s: number): Int32Array {
  const counts = new Int32Array(state.nodes.size);
  for (const n of placedNodes(state, s)) counts[n]!++;
  return counts;
}
