import { filters, isOwn } from "../filters/index.js";
import { nowhere, refusalOfVolume, unlimited, writesTo, type ClusterState, type Rules } from "../state/index.js";
import { planPreemption } from "./plan-preemption.js";
import { stoppable } from "./stoppable.js";
import { Tally } from "./tally.js";
import { NodeTrial } from "./trial.js";
import { amountOf, fewestVictims, highestPriority, mostImportantFirst } from "./victims.js";
import { without } from "./without.js";

export interface GangPlan {
  /** Rows of tasks that have to go, on all nodes together; none: what is being stopped already will do. */
  readonly victims: readonly number[];
  /** How many of the gang go to which node then. */
  readonly nodes: ReadonlyMap<number, number>;
}

export interface GangOptions {
  /** By every rule, of the state as it is then: a plan is carried out on trial before it is given. */
  readonly canFit: (g: number, n: number) => boolean;
  /** Places waiting tasks of `g`, and says how many. */
  readonly place: (g: number, tasks: readonly number[]) => number;
}

/** Members that fit nowhere now, at most: a plan for more would hold the thread for longer than a slice. */
const mostMissing = 256;
/** The same where one of them changes where the next may go (limits per label, being near each other, volumes): each is looked for on all nodes. */
const mostOneByOne = 8;
/** Sets of victims that are worked out at most, and for each member that is missing. */
const mostTrials = 256, trialsPerMember = 4;
/** Nodes that are looked at where others are as good but for the priority of those who have to go. */
const mostTies = 32;
/** Once there would be room for the gang by the sums of amounts, the tasks of no more nodes are added up than that: 100,000 with a million tasks would take 50 ms. */
const mostNodesLooked = 5_000;

/**
 * Room for all of a gang (`members`, which wait and do not all fit) by stopping tasks of lower priority: the fewest in all; of as many, those whose most important is the least
 * important; then the least amount freed; on a node the youngest. Not all of them fit, whoever is stopped: undefined, and nobody is. Spared are the same as for a single task
 * (planPreemption).
 *
 * One pass over the tasks of all nodes gives how many more members a node could take for each victim, at best. Nodes are worked out in that order: what one victim would bring there, two, …
 * (as far as it pays), and the best choice among all nodes so far is kept for 1, 2, … members (a knapsack with one choice a node), until no other node could better it. Then the gang
 * is placed on trial with the victims gone, as it would be in earnest, and whoever fits beside it stays.
 */
export function planGang(state: ClusterState, g: number, members: readonly number[], options: GangOptions): GangPlan | undefined {
  if (isByNode(state, g)) {
    const victims = chooseByNode(state, g, members.length, stoppable(state, g));
    return victims && carryOut(state, g, members, victims, options);
  }
  const victims = chooseOneByOne(state, g, members, options);
  let plan = victims && carryOut(state, g, members, victims, options);
  // Those who went for the later members may do for the first ones, too.
  for (const t of mostImportantFirst(state, plan?.victims ?? [])) {
    const fewer = plan!.victims.includes(t) && carryOut(state, g, members, plan!.victims.filter((other) => other !== t), options);
    if (fewer) plan = fewer;
  }
  return plan;
}

/** Whether how many members a node takes depends on that node alone, wherever the others go. */
function isByNode(state: ClusterState, g: number): boolean {
  const rules = state.groups.rules[g]!;
  return rules.volumes.length === 0 && rules.maxPer.every(({ key }) => key === "node.id")
    && rules.affinities.every((rule) => !rule.isRequired || !isOwn(state, g, rule) || (rule.isAnti && rule.key === "node.id"));
}

// ---- node by node ----

/** A node, and how many more members it could take. */
interface Candidate {
  readonly n: number;
  /** Members that fit without victims. */
  readonly fitting: number;
  /** Members at most, with everybody gone. */
  readonly most: number;
  /** More members for each victim, at best. */
  readonly gain: number;
  readonly lowest: number;
}

/** So many more members than fit anyway, for these. */
interface Choice { readonly extra: number; readonly victims: readonly number[]; readonly highest: number; readonly amount: number }

/** The best choices of several nodes together. */
interface Sum { readonly count: number; readonly highest: number; readonly amount: number; readonly choice: Choice | undefined; readonly rest: Sum | undefined }

function chooseByNode(state: ClusterState, g: number, wanted: number, mayStop: Uint8Array): readonly number[] | undefined {
  const { fitting, gained, candidates, isLimited } = findCandidates(state, g, wanted, mayStop, 2 * wanted + mostTies);
  const missing = wanted - fitting;
  if (missing <= 0) return [];
  if (missing > mostMissing || gained < missing) return undefined;
  // Those that looked best may not be enough (of GPUs, the sum of shares is not what fits): then all are looked at.
  return bestOf(state, g, missing, candidates, mayStop) ?? (isLimited ? bestOf(state, g, missing, findCandidates(state, g, wanted, mayStop, Infinity).candidates, mayStop) : undefined);
}

function bestOf(state: ClusterState, g: number, missing: number, candidates: readonly Candidate[], mayStop: Uint8Array): readonly number[] | undefined {
  const trial = new NodeTrial(state, state.groups.request[g]!, state.groups.rules[g]!.hostPorts);
  const budget = { trials: mostTrials + trialsPerMember * missing };
  // best[m]: for at least m more members.
  const best: (Sum | undefined)[] = [{ count: 0, highest: -Infinity, amount: 0, choice: undefined, rest: undefined }];
  let ties = 0;
  for (const candidate of candidates) {
    if (budget.trials <= 0) break;
    const whole = best[missing];
    if (whole) {
      const bound = leastWith(best, missing, candidate.gain);
      if (bound > whole.count || ties >= mostTies) break;
      if (bound === whole.count && candidate.lowest > whole.highest) continue;
      ties++;
    }
    improve(best, missing, choicesOn(state, candidate, missing, trial, mayStop, budget));
  }
  const victims: number[] = [];
  for (let sum = best[missing]; sum?.choice; sum = sum.rest) victims.push(...sum.choice.victims);
  return victims.length > 0 ? victims : undefined;
}

/** Fewer victims than that no plan has in which a node takes part that brings `gain` members for each. */
function leastWith(best: readonly (Sum | undefined)[], missing: number, gain: number): number {
  let least = Infinity;
  for (let m = 0; m < missing; m++) {
    const count = best[m]?.count;
    if (count !== undefined) least = Math.min(least, count + Math.ceil((missing - m) / gain));
  }
  return least;
}

/** One of `choices` with what others bring, wherever that is better. */
function improve(best: (Sum | undefined)[], missing: number, choices: readonly Choice[]): void {
  if (choices.length === 0) return;
  const before = best.slice();
  for (const choice of choices) {
    for (let m = 0; m < missing; m++) {
      const rest = before[m];
      if (!rest) continue;
      const sum = { count: rest.count + choice.victims.length, highest: Math.max(rest.highest, choice.highest), amount: rest.amount + choice.amount, choice, rest };
      // With what m others get, up to m + extra get a place; those who need fewer have it by this, too.
      for (let to = Math.min(missing, m + choice.extra); to > 0 && isBetter(sum, best[to]); to--) best[to] = sum;
    }
  }
}

const isBetter = (a: Sum, b: Sum | undefined): boolean => !b || a.count < b.count || (a.count === b.count && (a.highest < b.highest || (a.highest === b.highest && a.amount < b.amount)));

/** What the fewest victims on a node would bring, what more of them would, up to `missing` members. */
function choicesOn(state: ClusterState, { n, fitting, most }: Candidate, missing: number, trial: NodeTrial, mayStop: Uint8Array, budget: { trials: number }): Choice[] {
  const { nodes, tasks } = state;
  const stoppables: number[] = [], ending: number[] = [];
  for (let t = nodes.firstTask[n]!; t !== nowhere; t = tasks.nextOnNode(t)) {
    if (tasks.countOf(t) === 0) ending.push(t);
    else if (mayStop[tasks.groupOf(t)] === 1) stoppables.push(t);
  }
  const choices: Choice[] = [];
  for (let members = fitting + 1; members <= Math.min(most, fitting + missing) && budget.trials-- > 0;) {
    trial.begin(n, members - 1);
    for (const t of ending) trial.give(t, 1);
    const victims = fewestVictims(state, trial, stoppables);
    if (!victims || victims.length === 0) break;
    for (const t of victims) trial.give(t, 1);
    members = Math.min(most, members - 1 + Math.max(1, trial.room));
    choices.push({ extra: members - fitting, victims, highest: highestPriority(state, victims), amount: amountOf(state, victims) });
    members++;
  }
  return choices;
}

interface Found {
  /** Members that fit on all nodes without victims, once those have ended who are being stopped. */
  readonly fitting: number;
  /** So many more at most. */
  readonly gained: number;
  /** Nodes where victims would bring anything, those that bring most for each of them first. */
  readonly candidates: readonly Candidate[];
  readonly isLimited: boolean;
}

function findCandidates(state: ClusterState, g: number, wanted: number, mayStop: Uint8Array, limitOfCandidates: number): Found {
  const { nodes, tasks, requests, groups } = state;
  const r = groups.request[g]!;
  const ports = groups.rules[g]!.hostPorts;
  const others = filters.filter(({ name, concerns }) => name !== "resources" && name !== "gpu" && name !== "host-port" && concerns(state, g));
  const tally = new Tally(state, r, mayStop);
  const trial = new NodeTrial(state, r, ports);
  const best = new BestCandidates(limitOfCandidates);
  let fitting = 0, looked = 0, gained = 0;
  state.predicates.eligible[requests.eligibility[r]!]!.forEach((n) => {
    let limit = ports.length > 0 ? 1 : unlimited;
    for (let i = 0; i < others.length && limit > 0; i++) limit = Math.min(limit, others[i]!.room(state, g, n));
    if (limit === 0) return;
    if (looked++ >= mostNodesLooked && gained >= wanted) {
      fitting += Math.min(limit, ports.some((port) => state.ports.isTaken(port, n)) ? 0 : state.room(n, r));
      return;
    }
    tally.take(n);
    let fits = state.room(n, r);
    if (tally.hasEnding || ports.length > 0) {
      trial.begin(n, 0);
      if (tally.hasEnding) for (let t = nodes.firstTask[n]!; t !== nowhere; t = tasks.nextOnNode(t)) if (tasks.countOf(t) === 0) trial.give(t, 1);
      fits = trial.room;
    }
    fits = Math.min(fits, limit);
    fitting += fits;
    if (tally.stoppables === 0 || fits >= limit) return;
    const most = Math.min(limit, tally.roomAtMost(n, tally.stoppables));
    if (most <= fits) return;
    let gain = 0;
    for (let victims = 1; victims <= tally.stoppables && gain < (most - fits) / victims; victims++) gain = Math.max(gain, (Math.min(limit, tally.roomAtMost(n, victims)) - fits) / victims);
    gained += most - fits;
    best.add(n, fits, most, gain, tally.lowest);
  });
  return { fitting, gained, ...best.take() };
}

const compareCandidates = (a: Candidate, b: Candidate): number => b.gain - a.gain || a.lowest - b.lowest || a.n - b.n;

/** The first of many, `limit` at least: most of them are turned away by a comparison, without an object (6 ms of 11 for 10,000 nodes). Nodes come in their order. */
class BestCandidates {
  #kept: Candidate[] = [];
  #worst: Candidate | undefined;
  #isLimited = false;

  constructor(readonly limit: number) {}

  add(n: number, fitting: number, most: number, gain: number, lowest: number): void {
    if (this.#worst && (gain < this.#worst.gain || (gain === this.#worst.gain && lowest >= this.#worst.lowest))) { this.#isLimited = true; return; }
    this.#kept.push({ n, fitting, most, gain, lowest });
    if (this.#kept.length >= 2 * this.limit) this.#cut();
  }

  take(): { readonly candidates: readonly Candidate[]; readonly isLimited: boolean } {
    return { candidates: this.#kept.sort(compareCandidates), isLimited: this.#isLimited };
  }

  #cut(): void {
    this.#kept = this.#kept.sort(compareCandidates).slice(0, this.limit);
    this.#worst = this.#kept.at(-1);
    this.#isLimited = true;
  }
}

// ---- one by one ----

/** Each member where it costs least with the ones before it in their places. */
function chooseOneByOne(state: ClusterState, g: number, members: readonly number[], { canFit, place }: GangOptions): readonly number[] | undefined {
  return without(state, allEnding(state), () => {
    const victims = new Map<number, () => void>();
    const placed = place(g, members);
    let at = placed;
    try {
      if (members.length - placed > mostOneByOne) return undefined;
      for (; at < members.length; at++) {
        const plan = planPreemption(state, g, { canFit, claimed: () => 0 });
        if (!plan) return undefined;
        for (const t of plan.victims) victims.set(t, takenFrom(state, t));
        state.place(members[at]!, plan.node);
      }
      return [...victims.keys()];
    } finally {
      for (const t of members.slice(0, at)) state.unplace(t);
      for (const putBack of victims.values()) putBack();
    }
  });
}

/** Takes `t` from its node; returns what puts it back. */
function takenFrom(state: ClusterState, t: number): () => void {
  const n = state.tasks.nodeOf(t), mask = state.tasks.gpuMask[t]!, volumes = state.volumes.heldBy(t), assigned = state.assignedIds.get(t), counts = state.tasks.countOf(t) === 1;
  state.unplace(t);
  return () => {
    state.place(t, n, counts, mask, volumes);
    if (assigned) state.assignedIds.set(t, assigned);
  };
}

// ---- on trial ----

function allEnding({ nodes, tasks, placedTasks }: ClusterState): number[] {
  const ending: number[] = [];
  const { tasks: counted, firstTask, size } = nodes;
  let wanted = 0;
  for (let n = 0; n < size; n++) wanted += counted[n]!;
  if (wanted === placedTasks) return ending;
  for (let n = 0; n < size; n++) for (let t = firstTask[n]!; t !== nowhere; t = tasks.nextOnNode(t)) if (tasks.countOf(t) === 0) ending.push(t);
  return ending;
}

/** Whether all of the gang really get a node with `victims` gone, and which; those who fit beside it are victims no more. */
function carryOut(state: ClusterState, g: number, members: readonly number[], victims: readonly number[], { place }: GangOptions): GangPlan | undefined {
  const ending = allEnding(state);
  const homes = new Map(victims.map((t) => [t, { n: state.tasks.nodeOf(t), mask: state.tasks.gpuMask[t]!, volumes: state.volumes.heldBy(t) }]));
  return without(state, [...victims, ...ending], () => {
    const placed = place(g, members);
    const stays: number[] = [];
    try {
      if (placed < members.length) return undefined;
      for (const t of mostImportantFirst(state, victims)) {
        const { n, mask, volumes } = homes.get(t)!;
        if (!fitsBack(state, t, n, mask, volumes)) continue;
        state.place(t, n, true, mask, volumes);
        stays.push(t);
      }
      const nodes = new Map<number, number>();
      for (const t of members) nodes.set(state.tasks.nodeOf(t), (nodes.get(state.tasks.nodeOf(t)) ?? 0) + 1);
      return { victims: victims.filter((t) => !stays.includes(t)), nodes };
    } finally {
      for (const t of [...stays, ...members.slice(0, placed)]) state.unplace(t);
    }
  });
}

/** Whether `t` could be on node `n` with the devices and volumes that it had there: that is all for which anybody is stopped. */
function fitsBack(state: ClusterState, t: number, n: number, mask: number, volumes: ReturnType<ClusterState["volumes"]["heldBy"]>): boolean {
  const { nodes, requests, ports } = state;
  const r = state.requestOf(t);
  for (let d = 0; d < requests.amount.length; d++) if (requests.amount[d]![r]! > 0 && nodes.free[d]![n]! < requests.amount[d]![r]!) return false;
  for (let i = 0; i < nodes.gpuCount[n]!; i++) if ((mask & (1 << i)) !== 0 && nodes.deviceFree[nodes.gpuStart[n]! + i]! < requests.gpuMillis[r]!) return false;
  const rules: Rules = state.groups.rules[state.tasks.groupOf(t)]!;
  if (rules.hostPorts.some((port) => ports.isTaken(port, n))) return false;
  return volumes.every(({ volumeId, readOnly }) => refusalOfVolume(state, volumeId, !readOnly || writesTo(rules.volumes, volumeId), n) === undefined);
}
