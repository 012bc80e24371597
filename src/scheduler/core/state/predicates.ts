import type { Node } from "../../../model/index.js";
import { Bitset } from "./bitset.js";

/**
 * Something that is true or false of a node whatever runs on it: "is ready", one constraint, one platform, a taint that is tolerated.
 * One that many services name is evaluated once for each node, and again only when that node changes.
 */
export interface Predicate {
  /** As in PendingReason.filter. */
  readonly filter: string;
  /** Two with the same key are one. */
  readonly key: string;
  readonly test: (node: Node) => boolean;
  /** Why a node is refused that does not pass: "constraint node.labels.disk==ssd not met". Nodes with the same words are told together. */
  readonly refusal: (node: Node) => string;
}

/** Looked at before whoever runs this in steps may see to something else. */
const nodesPerStep = 4_096;

/** Predicates with the nodes that pass them, and eligibility classes: sets of predicates, with the nodes that pass all. */
export class PredicateTable {
  readonly predicates: Predicate[] = [];
  readonly passing: Bitset[] = [];
  /** By class: its predicates, in the order in which they are asked, and the nodes that pass all of them. */
  readonly classes: Int32Array[] = [];
  readonly eligible: Bitset[] = [];
  /** Counts what may have made a node be in other sets than it was. */
  changes = 0;
  /** Kept for somebody: eligible for nobody, whatever they pass. */
  readonly barred = new Bitset();
  readonly #rows = new Map<string, number>();
  readonly #classRows = new Map<string, number>();

  /** The class of those who ask for all of `predicates`. `nodes`: every node there is, by row. */
  classOf(predicates: readonly Predicate[], nodes: readonly (Node | undefined)[]): number {
    if (predicates === this.#lastAsked) return this.#lastClass;
    this.#lastAsked = predicates;
    return this.#lastClass = this.#findClass(predicates, nodes);
  }

  // Most services ask for the same list (compile-spec.ts).
  #lastAsked: readonly Predicate[] | undefined;
  #lastClass = -1;

  #findClass(predicates: readonly Predicate[], nodes: readonly (Node | undefined)[]): number {
    const rows = predicates.map((predicate) => this.#rowOf(predicate, nodes));
    const key = rows.join(",");
    const known = this.#classRows.get(key);
    if (known !== undefined) return known;
    const row = this.classes.length;
    this.#classRows.set(key, row);
    this.classes.push(Int32Array.from(rows));
    this.eligible.push(new Bitset(nodes.length));
    this.#setEligible(row, 0, nodes.length, nodes);
    return row;
  }

  /** Who of the nodes of rows `from` … `end` - 1 is of class `c`: 32 of them at once. The others stay what they are. */
  #setEligible(c: number, from: number, end: number, nodes: readonly (Node | undefined)[]): void {
    const eligible = this.eligible[c]!, rows = this.classes[c]!;
    eligible.grow(end);
    if (rows.length === 0) {
      for (let n = from; n < end; n++) eligible.set(n, nodes[n] !== undefined && !this.barred.has(n));
      return;
    }
    for (let w = from >>> 5; w < (end + 31) >>> 5; w++) {
      let word = ~(this.barred.words[w] ?? 0);
      for (const p of rows) word &= this.passing[p]!.words[w] ?? 0;
      eligible.words[w] = word;
    }
  }

  /** Nodes of rows `from` … `end` - 1 are new. */
  addNodes(from: number, end: number, nodes: readonly (Node | undefined)[]): void {
    this.changes++;
    for (let p = 0; p < this.predicates.length; p++) this.#setPassing(p, from, end, nodes);
    for (let c = 0; c < this.classes.length; c++) this.#setEligible(c, from, end, nodes);
  }

  #setPassing(p: number, from: number, end: number, nodes: readonly (Node | undefined)[]): void {
    const passing = this.passing[p]!, { test } = this.predicates[p]!;
    passing.grow(end);
    const { words } = passing;
    for (let n = from; n < end; n++) if (nodes[n] !== undefined && test(nodes[n]!)) words[n >>> 5]! |= 1 << (n & 31);
  }

  /** Node `n` is eligible for nobody, or (again) for those whose predicates it passes. */
  bar(n: number, isBarred: boolean, isAlive: boolean): void {
    this.changes++;
    this.barred.set(n, isBarred);
    for (let c = 0; c < this.classes.length; c++) this.eligible[c]!.set(n, isAlive && !isBarred && this.passesAll(c, n));
  }

  /** Whether `n` passes every predicate of class `c`; a barred one may. */
  passesAll(c: number, n: number): boolean {
    for (const p of this.classes[c]!) if (!this.passing[p]!.has(n)) return false;
    return true;
  }

  /** Node `n` is new, other than it was, or (undefined) gone. */
  setNode(n: number, node: Node | undefined): void {
    this.changes++;
    for (let p = 0; p < this.predicates.length; p++) this.passing[p]!.set(n, node !== undefined && this.predicates[p]!.test(node));
    if (!node) this.barred.set(n, false);
    for (let c = 0; c < this.classes.length; c++) this.eligible[c]!.set(n, node !== undefined && !this.barred.has(n) && this.passesAll(c, n));
  }

  /** Sets that `copy` does not have yet, in steps. */
  *copyTo(copy: PredicateTable): Generator<void> {
    for (let p = copy.passing.length; p < this.passing.length; p++) {
      copy.passing.push(this.passing[p]!.copy());
      yield;
    }
    for (let c = copy.eligible.length; c < this.eligible.length; c++) {
      copy.eligible.push(this.eligible[c]!.copy());
      yield;
    }
  }

  /** What is in sets of these nodes again; sets that are new; then the rest, which is small. */
  *copyAgain(copy: PredicateTable, nodes: readonly number[]): Generator<void> {
    for (const bits of [[this.passing, copy.passing], [this.eligible, copy.eligible]] as const) {
      for (let i = 0; i < bits[1].length; i++) {
        for (const n of nodes) bits[1][i]!.set(n, bits[0][i]!.has(n));
        yield;
      }
    }
    yield* this.copyTo(copy);
    copy.barred.words = this.barred.words.slice();
    for (let p = copy.predicates.length; p < this.predicates.length; p++) {
      copy.predicates.push(this.predicates[p]!);
      copy.#rows.set(nameOf(this.predicates[p]!), p);
    }
    for (let c = copy.classes.length; c < this.classes.length; c++) {
      copy.classes.push(this.classes[c]!);
      copy.#classRows.set(this.classes[c]!.join(","), c);
    }
  }

  /** Evaluates those of `predicates` that are new, of a copy of which nothing changes meanwhile, in steps: of 100,000 nodes each takes 10 ms. */
  *prepareSteps(predicates: readonly Predicate[], nodes: readonly (Node | undefined)[]): Generator<void> {
    for (const predicate of predicates) {
      if (this.find(predicate) !== undefined) continue;
      const row = this.#add(predicate, nodes);
      for (let from = 0; from < nodes.length; from += nodesPerStep) {
        this.#setPassing(row, from, Math.min(nodes.length, from + nodesPerStep), nodes);
        yield;
      }
    }
  }

  #add(predicate: Predicate, nodes: readonly (Node | undefined)[]): number {
    const row = this.predicates.length;
    this.#rows.set(nameOf(predicate), row);
    this.predicates.push(predicate);
    this.passing.push(new Bitset(nodes.length));
    return row;
  }

  find(predicate: Predicate): number | undefined { return this.#rows.get(nameOf(predicate)); }

  #rowOf(predicate: Predicate, nodes: readonly (Node | undefined)[]): number {
    const known = this.find(predicate);
    if (known !== undefined) return known;
    const row = this.#add(predicate, nodes);
    this.#setPassing(row, 0, nodes.length, nodes);
    return row;
  }
}

const nameOf = ({ filter, key }: Predicate): string => `${filter}\0${key}`;
