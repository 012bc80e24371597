import type { Packing } from "./packing.js";
import { nowhere, type Reason } from "./problem.js";

/** Nodes whose tasks are looked at for one that could make room: at 10,000 nodes of 20 tasks a look at all is 4 ms. */
const chainWindow = 1024;
/** Of those that would make room, the lightest so many are tried: for the task itself, for the one that makes room for it, … Its length is how many may make room for each other. */
const chainTries = [12, 4, 2];

/** To walk to a task in a node's list costs as much as this many nodes in a look for the tightest. */
const workPerTask = 10;

/** Finds tasks other places: the tightest fit, or that of a lighter task which itself goes elsewhere, perhaps in the same way. Moves only to `targets`. */
export class Mover {
  /** By request: `releases` when it was found to fit nowhere. */
  readonly #failed: Int32Array;
  /** By node, how many forbid it as a target: what makes room on a node must not come back to it. */
  readonly #blocked: Uint8Array;
  #cursor = 0;

  constructor(readonly packing: Packing, public targets: Int32Array) {
    this.#failed = new Int32Array(packing.problem.requests.gpuCount.length).fill(-1);
    this.#blocked = new Uint8Array(packing.problem.nodes.count);
  }

  /** Moves everything away from `node` with at most `maxMoves` moves, or does nothing: false. */
  empty(node: number, maxMoves: number, why: Reason): boolean {
    const { packing } = this, length = packing.log.length, moves = packing.moves;
    for (const t of this.heaviestFirst(node)) {
      const remaining = maxMoves - (packing.moves - moves);
      if (remaining >= packing.tasksOn[node]! && this.place(t, remaining - packing.tasksOn[node]! + 1, why)) continue;
      packing.rollBack(length);
      return false;
    }
    return true;
  }

  heaviestFirst(node: number): number[] {
    const { packing } = this, tasks: number[] = [];
    for (let t = packing.firstOn[node]!; t !== nowhere; t = packing.nextOn[t]!) tasks.push(t);
    return tasks.sort((a, b) => packing.weight(b) - packing.weight(a) || a - b);
  }

  /** Gives `t` a place on another node than it has, with at most `maxMoves` moves, its own the last. Changes nothing when there is none: false. */
  place(t: number, maxMoves: number, why: Reason): boolean {
    const from = this.packing.nodeOf[t]!;
    this.packing.releases++;      // another node is left out: what fitted nowhere may fit now
    if (from !== nowhere) this.#blocked[from]!++;
    const isPlaced = this.#place(t, maxMoves, why, 0);
    if (from !== nowhere) this.#blocked[from]!--;
    return isPlaced;
  }

  #place(t: number, maxMoves: number, why: Reason, depth: number): boolean {
    const { packing } = this, r = packing.problem.tasks.request[t]!;
    if (maxMoves < 1) return false;
    if (this.#failed[r] !== packing.releases) {
      const { refusals } = packing, n = packing.tightest(t, this.targets, this.#blocked);
      if (n !== nowhere) { packing.move(t, n, why); return true; }
      if (packing.refusals === refusals) this.#failed[r] = packing.releases;
    }
    if (maxMoves < 2 || depth >= chainTries.length) return false;
    for (const other of this.#lightestThatMakeRoom(t, chainTries[depth]!)) {
      const n = packing.nodeOf[other]!;
      this.#blocked[n]!++;
      const isPlaced = this.#place(other, maxMoves - 1, { kind: "makes-room", task: t }, depth + 1);
      this.#blocked[n]!--;
      if (isPlaced) { packing.move(t, n, why); return true; }
    }
    return false;
  }

  /** Tasks lighter than `t`, ascending, each of which would leave room for `t`; at most `most`. */
  #lightestThatMakeRoom(t: number, most: number): number[] {
    const { packing, targets } = this, weight = packing.weight(t), atLeast = weight * (1 - 1e-9), lightest: number[] = [];
    const look = Math.min(targets.length, chainWindow);
    for (let k = 0; k < look; k++) {
      const n = targets[(this.#cursor + k) % targets.length]!;
      if (this.#blocked[n] !== 0) continue;
      // A task that makes room here weighs at least this.
      if (lightest.length === most && atLeast - packing.left[n]! >= packing.weight(lightest[most - 1]!)) { packing.work++; continue; }
      packing.work += workPerTask * packing.tasksOn[n]!;
      for (let other = packing.firstOn[n]!; other !== nowhere; other = packing.nextOn[other]!) {
        const itsWeight = packing.weight(other);
        if (packing.left[n]! + itsWeight < atLeast) continue;
        if (!packing.canMove(other) || itsWeight >= weight || (lightest.length === most && itsWeight >= packing.weight(lightest[most - 1]!)) || !packing.fits(t, n, other)) continue;
        if (lightest.length === most) lightest.pop();
        let at = lightest.length;
        while (at > 0 && packing.weight(lightest[at - 1]!) > itsWeight) at--;
        lightest.splice(at, 0, other);
      }
    }
    this.#cursor = (this.#cursor + look) % Math.max(1, targets.length);
    return lightest;
  }
}
