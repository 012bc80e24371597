import { filters } from "../filters/index.js";
import { nowhere, type ClusterState } from "../state/index.js";
import { lowestStoppable, stoppable } from "./stoppable.js";
import { Tally } from "./tally.js";
import { NodeTrial } from "./trial.js";
import { compareVictims, fewestVictims, highestPriority, mostImportantFirst } from "./victims.js";
import { VolumeHolders } from "./volume-holders.js";
import { without } from "./without.js";

export interface PreemptionPlan {
  readonly node: number;
  /** Rows of tasks that have to go, on that node or (whoever has a volume of several nodes) elsewhere; none: what is being stopped already will do. */
  readonly victims: readonly number[];
}

export interface PreemptionOptions {
  /** All rules, of the state as it is then: a plan is carried out on trial before it is given. */
  readonly canFit: (g: number, n: number) => boolean;
  /** How many other tasks of `g` are to go to node `n` already. */
  readonly claimed: (n: number) => number;
  readonly onlyNode?: number;
}

/** Nodes that are worked out at most, of those where the least number of victims could be enough: the rest is no better but for ties. */
const mostNodesTried = 64;
/** Once so many nodes would give up one task of the lowest priority that there is, no other is better but for the amount freed. */
const enoughPerfect = 64;
/** Once some node would do, no more than so many are looked at: 100,000 with a million tasks would take 50 ms. */
const mostNodesLooked = 10_000;

/**
 * Room for one more of group `g`, which fits nowhere, by stopping tasks of lower priority: on one node, the fewest; of those the node whose most important
 * victim is the least important; then the least amount freed; then the node that joined first. On a node: the fewest, the lowest priority, the youngest.
 *
 * Where it may not have its volumes because others have them, those go first, wherever they are (volume-holders.ts).
 *
 * Never a victim for nothing: with exactly these gone it fits, by every rule; with one of them kept it does not. Where what is being stopped already is
 * enough, nobody else is. Spared are: equal and higher priorities; gangs (one member gone would end the work of all); services that are not to be moved
 * (no_move); those that `g` has to be near.
 *
 * Two passes: the tasks of nodes are added up (3 ms for 10,000 nodes with 120,000 tasks), which gives for each node the least number of victims that could
 * do; then nodes are worked out in that order until no other could be better.
 */
export function planPreemption(state: ClusterState, g: number, options: PreemptionOptions): PreemptionPlan | undefined {
  const mayStop = stoppable(state, g);
  const holders = state.groups.rules[g]!.volumes.length > 0 ? new VolumeHolders(state, g, mayStop) : undefined;
  const { candidates, isLimited } = findCandidates(state, g, mayStop, holders, options, true);
  const best = bestOf(state, g, candidates, mayStop, holders, options);
  // Those that looked best may be none (of GPUs, the sum of shares is not what fits): then all are looked at.
  return best || !isLimited ? best : bestOf(state, g, findCandidates(state, g, mayStop, holders, options, false).candidates, mayStop, holders, options);
}

function bestOf(state: ClusterState, g: number, candidates: Candidates, mayStop: Uint8Array, holders: VolumeHolders | undefined, options: PreemptionOptions): PreemptionPlan | undefined {
  const trial = new NodeTrial(state, state.groups.request[g]!, state.groups.rules[g]!.hostPorts);
  let best: PreemptionPlan | undefined;
  let tried = 0;
  for (const { n, atLeast, priority } of candidates.inOrder()) {
    if (best && (atLeast > best.victims.length || (atLeast === best.victims.length && priority > highestPriority(state, best.victims)) || ++tried > mostNodesTried)) break;
    const fits = (without: readonly number[]) => fitsWithout(state, g, n, [...without, ...holders?.ending ?? none], options.canFit);
    let victims = victimsOn(state, n, trial, mayStop, options.claimed(n), holders?.on(n) ?? none, holders ? 0 : atLeast);
    if (!victims || (best && compareVictims(state, victims, best.victims) >= 0) || !fits(victims)) continue;
    // Who makes room may have a volume that will do as well as that of another.
    if (holders) for (const t of mostImportantFirst(state, victims)) { const others: number[] = victims.filter((other) => other !== t); if (fits(others)) victims = others; }
    best = { node: n, victims };
    if (best && best.victims.length === 0) break;
  }
  return best;
}

interface Candidate {
  readonly n: number;
  /** Fewer victims than this will not do. */
  readonly atLeast: number;
  /** Nor victims all of lower priority than this. */
  readonly priority: number;
}

/** Nodes where enough is held by those who may be stopped (or are), the most promising first. */
function findCandidates(state: ClusterState, g: number, mayStop: Uint8Array, holders: VolumeHolders | undefined, { onlyNode, claimed }: PreemptionOptions, mayLimit: boolean): { readonly candidates: Candidates; readonly isLimited: boolean } {
  const { nodes, tasks, requests, groups } = state;
  const r = groups.request[g]!;
  const eligible = state.predicates.eligible[requests.eligibility[r]!]!;
  const others = filters.filter((filter) => !(filter.name in curable) && filter.concerns(state, g));
  const tally = new Tally(state, r, mayStop);
  const { count, amounts, free, held, largest, ending, gpuNeeded } = tally;
  const { gpuMask } = tasks;
  const { request, priority: priorities } = groups;
  const lowestOfAll = lowestStoppable(state, mayStop);
  let perfect = 0, looked = 0, isLimited = false;
  const missing = new Float64Array(count);
  // Most decisions are about CPU and memory alone: then what one victim would bring is seen while they are added up.
  const isSimple = count <= 2 && gpuNeeded === 0;
  // Rules that stopping nobody would change: asked of those few that are worked out, because they walk lists too.
  const found = new Candidates((n) => others.every((filter) => filter.room(state, g, n) > 0));
  const look = (n: number) => {
    if (mayLimit && (perfect >= enoughPerfect || (looked++ >= mostNodesLooked && found.count > 0))) { isLimited = true; return; }
    const forVolumes = holders?.on(n);
    if (holders && !forVolumes) return;
    const promised = claimed(n);
    for (let i = 0; i < count; i++) missing[i] = amounts[i]![r]! * (1 + promised) - free[i]![n]!;
    if (isSimple) tally.takeFor(n, missing);
    else tally.take(n);
    const { lowest, gpuHeld, gpuLargest, gpuEnding } = tally;
    let gpuMissing = 0;
    if (tally.stoppables === 0 && !tally.hasEnding && !holders) return;
    let atLeast = forVolumes?.length ?? 0;
    for (let i = 0; i < count; i++) {
      missing[i]! -= ending[i]!;
      if (missing[i]! > held[i]!) return;
      if (missing[i]! > 0) atLeast = Math.max(atLeast, Math.ceil(missing[i]! / largest[i]!));
    }
    if (gpuNeeded > 0) {
      gpuMissing = gpuNeeded * (1 + promised) - nodes.gpuFreeMillis[n]! - gpuEnding;
      if (gpuMissing > gpuHeld) return;
      if (gpuMissing > 0) atLeast = Math.max(atLeast, Math.ceil(gpuMissing / gpuLargest));
    }
    if (forVolumes && forVolumes.length > 0) { found.add(n, atLeast, highestPriority(state, forVolumes)); return; }
    if (atLeast !== 1) { found.add(n, atLeast, atLeast === 0 ? noVictim : lowest); return; }
    // Whether one alone could do, and the least important of those: most decisions end with it.
    const isKnown = isSimple && !tally.hasEnding;
    let single = isKnown ? tally.lowestSingle : Infinity;
    if (!isKnown) for (let t = nodes.firstTask[n]!; t !== nowhere; t = tasks.nextOnNode(t)) {
      const group = tasks.groupOf(t);
      if (tasks.countOf(t) === 0 || mayStop[group] === 0 || priorities[group]! >= single) continue;
      const of = request[group]!;
      let covers = gpuMissing <= 0 || (gpuMask[t] !== 0 && requests.gpuCount[of]! * requests.gpuMillis[of]! >= gpuMissing);
      for (let i = 0; i < count && covers; i++) covers = amounts[i]![of]! >= missing[i]!;
      if (covers) single = priorities[group]!;
    }
    if (single === Infinity) { found.add(n, 2, lowest); return; }
    found.add(n, atLeast, single);
    if (single === lowestOfAll && others.length === 0) perfect++;
  };
  if (onlyNode !== undefined) { if (eligible.has(onlyNode)) look(onlyNode); }
  else eligible.forEach(look);
  return { candidates: found, isLimited };
}

/** Of a candidate without victims. */
const noVictim = -(2 ** 15) - 1;

/**
 * Nodes in the order in which they are worked out: by the number of victims, then by priority, then as they come. Of 10,000 few are, so that nobody puts all of them in
 * order, and those of one kind are a list of numbers.
 */
class Candidates {
  readonly #kinds = new Map<number, number[]>();
  count = 0;

  /** `isOpen`: whether to work it out at all. */
  constructor(private readonly isOpen: (n: number) => boolean) {}

  add(n: number, atLeast: number, priority: number): void {
    const kind = atLeast * kindsPerCount + priority - noVictim;
    const known = this.#kinds.get(kind);
    if (known) known.push(n);
    else this.#kinds.set(kind, [n]);
    this.count++;
  }

  *inOrder(): Iterable<Candidate> {
    for (const kind of [...this.#kinds.keys()].sort((a, b) => a - b)) {
      const atLeast = Math.floor(kind / kindsPerCount), priority = kind % kindsPerCount + noVictim;
      for (const n of this.#kinds.get(kind)!) if (this.isOpen(n)) yield { n, atLeast, priority };
    }
  }
}

/** Priorities are of 16 bits. */
const kindsPerCount = 2 ** 17;

/** Filters whose refusal those may cure who are stopped. */
const curable: Readonly<Record<string, true>> = { resources: true, gpu: true, "host-port": true, volume: true };

/** The victims for node `n`: `forVolumes`, and who has to go beside them; empty: none needed once those end that are being stopped. undefined: it is not enough. */
function victimsOn(state: ClusterState, n: number, trial: NodeTrial, mayStop: Uint8Array, claimed: number, forVolumes: readonly number[], atLeast: number): number[] | undefined {
  const { nodes, tasks } = state;
  trial.begin(n, claimed);
  const candidates: number[] = [];
  for (let t = nodes.firstTask[n]!; t !== nowhere; t = tasks.nextOnNode(t)) {
    if (tasks.countOf(t) === 0 || forVolumes.includes(t)) trial.give(t, 1);
    else if (mayStop[tasks.groupOf(t)] === 1) candidates.push(t);
  }
  const beside = fewestVictims(state, trial, candidates, atLeast);
  return beside && forVolumes.length > 0 ? [...forVolumes, ...beside] : beside;
}

const none: readonly number[] = [];

/** Whether one of `g` really fits on `n` once `gone`, and those that are being stopped there, are gone. The state is as before afterwards. */
function fitsWithout(state: ClusterState, g: number, n: number, gone: readonly number[], canFit: (g: number, n: number) => boolean): boolean {
  const all = new Set(gone);
  for (let t = state.nodes.firstTask[n]!; t !== nowhere; t = state.tasks.nextOnNode(t)) if (state.tasks.countOf(t) === 0) all.add(t);
  return without(state, all, () => canFit(g, n));
}
