import { filters, type Filter } from "../filters/index.js";
import { nowhere, wholeGpu, type ClusterState } from "../state/index.js";
import type { Causes } from "./causes.js";
import { changeCost, type Change } from "./change.js";
import type { Suggestion } from "./smallest-change.js";
import { fitsBy, type Trial } from "./trial.js";

/** Nodes that lack the least are the ones where a move may help; more of them are not looked at. */
const maxNodes = 48;
const maxTasksOfNode = 64;
const maxFound = 2;
/** Two moves: all pairs of so many tasks, on so many nodes. */
const maxNodesForTwo = 8, maxTasksForTwo = 16;
/** Places known for the tasks of a group: a move is to one of them. */
const maxHomes = 4;

/** "fits on n3 if web.3 moved (to n4)": one task that fits elsewhere, or that is being stopped and only has to end. The smallest tasks first. */
export function* singleMoves(trial: Trial, causes: Causes): Generator<void, Suggestion[]> {
  const { state } = trial;
  const homes = new Homes(state);
  const found: Suggestion[] = [];
  for (const n of nearNodes(trial, causes, maxNodes)) {
    for (const t of movable(trial, n, maxTasksOfNode)) {
      const move = tryMove(trial, homes, t, n, () => trial.canFit(n));
      if (!move) continue;
      found.push({ changes: [move], nodes: [n], cost: changeCost(move) });
      break;
    }
    yield;
    if (found.length >= maxFound) break;
  }
  return found;
}

/** Two tasks of one node, each to where it fits. */
export function* twoMoves(trial: Trial, causes: Causes): Generator<void, Suggestion[]> {
  const { state } = trial;
  const homes = new Homes(state);
  for (const n of nearNodes(trial, causes, maxNodesForTwo)) {
    const tasks = movable(trial, n, maxTasksForTwo);
    for (let i = 0; i < tasks.length; i++) {
      for (let j = i + 1; j < tasks.length; j++) {
        let second: Change | undefined;
        const first = tryMove(trial, homes, tasks[i]!, n, () => {
          second = tryMove(trial, homes, tasks[j]!, n, () => trial.canFit(n));
          return second !== undefined;
        });
        // The first found its place while the second was back on its node, and both may have meant the last place on one: seen together they must hold.
        if (first && second && holdTogether(trial, [first, second], n)) return [{ changes: [first, second], nodes: [n], cost: changeCost(first) + changeCost(second) }];
      }
      yield;
    }
  }
  return [];
}

/** Takes `t` from node `n`, asks `fits`, finds `t` another place with one task of the group on `n`, and puts everything back. */
function tryMove(trial: Trial, homes: Homes, t: number, n: number, fits: () => boolean): Change | undefined {
  const { state } = trial;
  const { tasks } = state;
  const group = tasks.group[t]!, counts = tasks.counts[t] === 1, mask = tasks.gpuMask[t]!;
  state.unplace(t);
  let change: Change | undefined;
  if (fits()) {
    if (!counts) change = { kind: "stop", taskId: tasks.ids[t]!, nodeName: state.nodes.names[n]! };
    else if (state.groups.rules[group]!.mayMove && state.groups.rules[group]!.replicas > 0) {
      const to = withOneOn(trial, n, () => homes.of(group, n));
      if (to !== undefined) change = { kind: "move", taskId: tasks.ids[t]!, fromNodeId: state.nodes.ids[n]!, fromNode: state.nodes.names[n]!, toNodeId: state.nodes.ids[to]!, toNode: state.nodes.names[to]! };
    }
  }
  state.place(t, n, counts, mask);
  return change;
}

/** With one task of the group on node `n`, as it would be. */
function withOneOn<T>({ state, g }: Trial, n: number, ask: () => T): T {
  const placed = state.addTask("tried out", g, 0);
  state.place(placed, n);
  const answer = ask();
  state.removeTask(placed);
  return answer;
}

function holdTogether(trial: Trial, changes: readonly Change[], n: number): boolean {
  const { state } = trial;
  const undo: (() => void)[] = [];
  let isHeld = true;
  for (const change of changes) {
    if (change.kind !== "move" && change.kind !== "stop") continue;
    const t = state.tasks.rowOf(change.taskId)!;
    const counts = state.tasks.counts[t] === 1, mask = state.tasks.gpuMask[t]!;
    state.unplace(t);
    undo.push(() => { if (state.tasks.node[t] !== nowhere) state.unplace(t); state.place(t, n, counts, mask); });
  }
  isHeld = trial.canFit(n) && withOneOn(trial, n, () => changes.every((change) => {
    if (change.kind !== "move") return true;
    const t = state.tasks.rowOf(change.taskId)!, to = state.nodes.rowOf(change.toNodeId)!;
    if (!fitsBy(state, state.tasks.group[t]!, to, filters)) return false;
    state.place(t, to);
    return true;
  }));
  for (const step of undo.reverse()) step();
  return isHeld;
}

/** Nodes that only what runs there keeps the group from, those that lack least first. */
function nearNodes({ state, g }: Trial, { patterns }: Causes, limit: number): number[] {
  const r = state.groups.request[g]!;
  const near: { n: number; lack: number }[] = [];
  for (const { causes, nodes } of patterns) {
    if (causes.some(({ predicate, filter }) => predicate !== undefined || filter === "quota")) continue;
    const short = causes.filter(({ dimension }) => dimension !== undefined);
    for (const n of nodes) {
      let lack = 0;
      for (const { dimension, needed } of short) lack += state.nodes.total[dimension!]![n]! < needed! ? Infinity : (needed! - state.nodes.free[dimension!]![n]!) / needed!;
      if (state.requests.gpuCount[r]! * Math.ceil(state.requests.gpuMillis[r]! / wholeGpu) > state.nodes.gpuCount[n]!) lack = Infinity;
      if (lack < Infinity) near.push({ n, lack });
    }
  }
  return near.sort((a, b) => a.lack - b.lack || a.n - b.n).slice(0, limit).map(({ n }) => n);
}

/** Tasks on `n`, those first that hold least; those that end anyway before all. */
function movable({ state, g }: Trial, n: number, limit: number): number[] {
  const { nodes, tasks, requests } = state;
  const rows: { t: number; size: number }[] = [];
  for (let t = nodes.firstTask[n]!; t !== nowhere; t = tasks.nextOnNode[t]!) {
    // Where another of the same group would fit, this one would have.
    if (tasks.group[t] === g) continue;
    const r = state.requestOf(t);
    let size = requests.gpuCount[r]! * requests.gpuMillis[r]! / wholeGpu;
    for (let d = 0; d < requests.amount.length; d++) if (requests.amount[d]![r]! > 0) size += requests.amount[d]![r]! / nodes.total[d]![n]!;
    rows.push({ t, size: tasks.counts[t] === 1 ? size : -1 });
  }
  return rows.sort((a, b) => a.size - b.size || a.t - b.t).slice(0, limit).map(({ t }) => t);
}

/** Where tasks of a group would fit: a few nodes, found once a group. */
class Homes {
  readonly #known = new Map<number, readonly number[]>();

  constructor(readonly state: ClusterState) {}

  of(group: number, notOn: number): number | undefined {
    const { state } = this;
    let known = this.#known.get(group);
    if (!known) this.#known.set(group, known = this.#find(group));
    const asked = filters.filter((filter) => filter.concerns(state, group));
    return known.find((n) => n !== notOn && fitsBy(state, group, n, asked));
  }

  #find(group: number): readonly number[] {
    const { state } = this;
    const asked: readonly Filter[] = filters.filter((filter) => filter.concerns(state, group));
    const found: number[] = [];
    for (let n = 0; n < state.nodes.size && found.length < maxHomes; n++) if (fitsBy(state, group, n, asked)) found.push(n);
    return found;
  }
}
