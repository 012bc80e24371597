import { filters, type Filter } from "../filters/index.js";
import { nowhere, wholeGpu, type ClusterState } from "../state/index.js";
import type { Causes } from "./causes.js";
import { changeCost, type Change } from "./change.js";
import { kept } from "./sentence.js";
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
  const homes = new Homes(trial.state);
  const found: Suggestion[] = [];
  for (const n of nearNodes(trial, causes, maxNodes)) {
    for (const t of movable(trial, n, maxTasksOfNode)) {
      const changes = tryWithout(trial, homes, n, [t]);
      if (!changes) continue;
      found.push({ changes, nodes: [n], cost: costOf(changes) });
      break;
    }
    yield;
    if (found.length >= maxFound) break;
  }
  return found;
}

/** Two tasks of one node, each to where it fits. The first pair that does. */
export function* twoMoves(trial: Trial, causes: Causes): Generator<void, Suggestion[]> {
  const homes = new Homes(trial.state);
  for (const n of nearNodes(trial, causes, maxNodesForTwo)) {
    const tasks = movable(trial, n, maxTasksForTwo);
    for (let i = 0; i < tasks.length; i++) {
      for (let j = i + 1; j < tasks.length; j++) {
        const changes = tryWithout(trial, homes, n, [tasks[i]!, tasks[j]!]);
        if (changes) return [{ changes, nodes: [n], cost: costOf(changes) }];
      }
      yield;
    }
  }
  return [];
}

const costOf = (changes: readonly Change[]): number => changes.reduce((sum, change) => sum + changeCost(change), 0);

/** Takes `moved` from node `n`, puts one task of the group there and finds the others a place, one after the other; then puts everything back. */
function tryWithout(trial: Trial, homes: Homes, n: number, moved: readonly number[]): Change[] | undefined {
  const { state, g } = trial;
  const { tasks, nodes, groups } = state;
  const before = moved.map((t) => ({ t, counts: tasks.countOf(t) === 1, mask: tasks.gpuMask[t]!, volumes: state.volumes.heldBy(t) }));
  for (const t of moved) state.unplace(t);
  let changes: Change[] | undefined;
  if (trial.canFit(n)) {
    const placed = state.addNewTask("tried out", g, 0);
    state.place(placed, n);
    changes = [];
    for (const { t, counts } of before) {
      const rules = groups.rules[tasks.groupOf(t)]!;
      if (!counts) { changes.push({ kind: "stop", taskId: tasks.ids[t]!, nodeName: nodes.names[n]! }); continue; }
      // How many replicas are wanted is not known of global services' tasks, which have no other place.
      const to = rules.mayMove && rules.replicas > 0 ? homes.of(tasks.groupOf(t), n) : undefined;
      if (to === undefined) { changes = undefined; break; }
      state.place(t, to);
      changes.push({ kind: "move", taskId: tasks.ids[t]!, fromNodeId: nodes.ids[n]!, fromNode: nodes.names[n]!, toNodeId: nodes.ids[to]!, toNode: nodes.names[to]! });
    }
    state.removeTask(placed);
  }
  for (const { t, counts, mask, volumes } of before) {
    if (tasks.nodeOf(t) !== nowhere) state.unplace(t);
    state.place(t, n, counts, mask, volumes);
  }
  return changes;
}

/** Nodes that only what runs there keeps the group from, those that lack least first. */
function nearNodes({ state, g }: Trial, { patterns }: Causes, limit: number): number[] {
  const r = state.groups.request[g]!;
  const near: { n: number; lack: number }[] = [];
  for (const { causes, nodes } of patterns) {
    if (causes.some(({ predicate, filter }) => predicate !== undefined || filter === kept.filter)) continue;
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
  for (let t = nodes.firstTask[n]!; t !== nowhere; t = tasks.nextOnNode(t)) {
    // Where another of the same group would fit, this one would have.
    if (tasks.groupOf(t) === g) continue;
    const r = state.requestOf(t);
    let size = requests.gpuCount[r]! * requests.gpuMillis[r]! / wholeGpu;
    for (let d = 0; d < requests.amount.length; d++) if (requests.amount[d]![r]! > 0) size += requests.amount[d]![r]! / nodes.total[d]![n]!;
    rows.push({ t, size: tasks.countOf(t) === 1 ? size : -1 });
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
