import { fixedDimensions, wholeGpu, type ClusterState } from "../state/index.js";
import { learnMix, roomFor, type Mix } from "./mix.js";
import { gpus, learnScarcity, steepest, weightOf } from "./scarcity.js";

/**
 * What it costs to put one more of request r on node n, in GPUs; the cheapest node is the best, the one that joined first among equals. A function of the
 * node's free amounts and number of tasks, of the request and of the mix, and of nothing else: who keeps costs must look again at nodes that changed, and
 * at all of them in another epoch.
 *
 *   cost = usable GPUs lost × (1 + 3 × price)  −  GPUs asked for  +  room lost  +  opening
 *
 *   usable GPUs lost   usableGpus before − after. Where CPU and memory suffice for the GPUs that stay free, a task loses what it asks for, and costs nothing. A task that takes
 *                      more of them for each GPU than the average strands GPUs (cost above 0); one that takes less uses GPUs that were stranded (below 0).
 *                      Tasks without GPUs cost what they strand.
 *   price              how scarce the node's GPUs are for those who can go nowhere else (Mix.price). Without it, tasks that could go anywhere fill the few T4s, and
 *                      tasks that must have one fit nowhere in a cluster three times as large (openb gpuspec20).
 *   room lost          for each kind of request for several GPUs, how many fewer of it fit × its price (Mix.large). Few nodes have 8 GPUs and 120 cores free: tasks of one GPU that take a
 *                      little of each would leave none (openb multigpu50 needs 32 % more nodes than the bound without this, 0.6 % with it).
 *   opening            0.2 if the node has no task yet: fills nodes that are in use before others. Much more, and a GPU is stranded for it: 0.5 costs half a point of allocation at saturation.
 *   ties               most costs are 0, so the order of nodes decides often: filling from one end is worth 2 points of allocation against choosing at random.
 *
 * All that is about GPUs, and holds as far as they are what nodes are bought for, and as what is stranded stays so. Where another dimension is scarcer (scarcity.ts), GPUs are stranded anyway, and to open an
 * empty node so that others keep theirs only costs nodes; and where as many tasks go as come (Turnover near 1), what is stranded today is used tomorrow, and so is a node that was opened for it. So
 *
 *   cost = (1 − p) × (the cost above)  +  p × (left  +  √left then  −  √left now  +  0.2 nodes × e^(−tasks / 2.5)  +  1 node × turnover, if it has no task yet)
 *
 * where left is what is free on the node, of the scarcest dimension mostly: best fit by what is scarce, better where the task fills the node up exactly, and nodes that have few tasks are left alone, so that they empty
 * some day. p goes from 1 − (how scarce GPUs are / 0.95 of the scarcest)^12 at turnover 0 to 0.5 at turnover 1. Open machines above the bound under churn (bench packing --protocol churn, 6 mixes, 3 to 6 runs each): 4.6 % on openb `default` (CPU is the
 * scarcest; plain best fit 6.2), 8.0 and 8.3 % on cpu050 and multigpu50 (GPUs are; 9.0 and 9.2), which without looking at the turnover were 24 and 19 %, and 42 % on `default` before anything was blended. At saturation
 * the second part costs 1 to 4 points: it must not be there where tasks come to stay.
 *
 * Stranding alone is enough for the rest: fragments of devices (FGD, ATC '23) and a price on all whole nodes, whatever they have room for, were tried. They win nothing
 * beside it and break mixes that they do not suit (openb `default` with the latter: 8 % more nodes instead of 0.6 %).
 * bench packing --protocol saturation|compaction. An evaluation takes 45 ns (20 M/s); 90 to 400 ns where the node has room for large requests, of which there are up to 16.
 */
export class GpuCost {
  #mix: Mix = nothingAsked;
  #epoch = 0;
  #learnAgainAt = 0;
  #totalsVersion = -1;
  #slack = noSlack;

  constructor(readonly state: ClusterState) {}

  get mix(): Mix { return this.#mix; }
  /** As many tasks go as come, nearly: what they leave is there for others. */
  get isUsedAgain(): boolean { return this.#slack.opening > openingUnderChurn / 2; }
  /** Costs of different epochs are not to be compared: the mix was learnt again. */
  get epoch(): number { return this.#epoch; }

  /** Learns the mix again when enough has happened. To be called before a decision, not for each node: O(1) nearly always. True: costs are others than they were. */
  refresh(): boolean {
    const { nodes } = this.state;
    if (nodes.changes < this.#learnAgainAt && nodes.totalsVersion === this.#totalsVersion) return false;
    const was = this.#mix;
    const mix = learnMix(this.state);
    // A twentieth of the tasks, or of the GPUs left (prices move fast when few are), and never so often that learning, O(nodes), costs more than deciding.
    const patience = Math.min(this.state.tasks.count, mix.usableGpus) / 20;
    this.#learnAgainAt = nodes.changes + Math.max(leastChanges, nodes.size / 32, patience);
    this.#totalsVersion = nodes.totalsVersion;
    const slack = learnSlack(this.state);
    if (!differs(was, mix) && !differsSlack(this.#slack, slack)) return false;
    this.#slack = slack;
    this.#mix = mix;
    this.#epoch++;
    return true;
  }

  /** Hot: no allocation. */
  of(n: number, r: number): number {
    const { nodes, requests } = this.state;
    const { perGpu, price, leastLargeGpus } = this.#mix;
    const asked = (requests.gpuCount[r]! * requests.gpuMillis[r]!) / wholeGpu, freeGpus = nodes.gpuFreeMillis[n]! / wholeGpu;
    let before = freeGpus, after = freeGpus - asked;
    for (let d = 0; d < perGpu.length; d++) {
      const each = perGpu[d]!;
      if (each === 0) continue;
      const free = nodes.free[d]![n]!, left = free - requests.amount[d]![r]!;
      if (free < before * each) before = free > 0 ? free / each : 0;
      if (left < after * each) after = left > 0 ? left / each : 0;
    }
    let cost = (before - after) * (1 + priceWeight * (n < price.length ? price[n]! : 0)) - asked + (nodes.tasks[n] === 0 ? opening : 0);
    if (nodes.gpuWhole[n]! >= leastLargeGpus) cost += this.#roomLost(n, r);
    if (this.#slack.part > 0) cost += this.#slack.part * (this.#leftOn(n, r) - cost);
    // So that costs that are the same are equal: 2^20 = a millionth of a GPU, exact in a Float32 up to 16 GPUs.
    return Math.round(cost * 2 ** 20) / 2 ** 20;
  }

  /** What is free on `n`, in GPUs with what goes with them; dimensions count as they are scarce. Less where `r` fills it up exactly. And what it is worth that a node with few tasks empties some day. */
  #leftOn(n: number, r: number): number {
    const { nodes, requests } = this.state, { perUnit, nodeGpus } = this.#slack, tasks = nodes.tasks[n]!;
    let before = (perUnit[gpus]! * nodes.gpuFreeMillis[n]!) / wholeGpu, after = before - (perUnit[gpus]! * requests.gpuCount[r]! * requests.gpuMillis[r]!) / wholeGpu;
    for (let d = 0; d < gpus; d++) {
      if (perUnit[d] === 0) continue;
      before += perUnit[d]! * nodes.free[d]![n]!;
      after += perUnit[d]! * (nodes.free[d]![n]! - requests.amount[d]![r]!);
    }
    const exactness = Math.sqrt(Math.max(0, after)) - Math.sqrt(Math.max(0, before));
    return before + exactness + nodeGpus * (fewTasks * Math.exp(-Math.max(1, tasks) / fewTasksEnd) + (tasks === 0 ? this.#slack.opening : 0));
  }

  /** What room for large requests is worth that is gone once `r` is on `n`, in GPUs. */
  #roomLost(n: number, r: number): number {
    const { state } = this;
    const { nodes, requests, predicates } = state;
    const whole = nodes.gpuWhole[n]!, left = requests.gpuMillis[r]! >= wholeGpu ? whole - requests.gpuCount[r]! : requests.gpuCount[r] === 0 || this.#hasPartOf(n, requests.gpuMillis[r]!) ? whole : whole - 1;
    let lost = 0;
    for (const large of this.#mix.large) {
      if (whole < large.gpus || !predicates.eligible[large.eligibility]!.has(n)) continue;
      const before = roomFor(large, state, n, whole, none);
      if (before > 0) lost += large.price * (before - roomFor(large, state, n, left, r));
    }
    return lost;
  }

  /** Whether a share of `millis` goes to a device that is shared already. */
  #hasPartOf(n: number, millis: number): boolean {
    const { gpuStart, gpuCount, deviceFree } = this.state.nodes;
    for (let i = gpuStart[n]!, end = i + gpuCount[n]!; i < end; i++) if (deviceFree[i]! < wholeGpu && deviceFree[i]! >= millis) return true;
    return false;
  }
}

/** What an empty node, and hardly less one with a task or two, costs beside what is free on it, in parts of the GPUs that a node has; after so many tasks it is an e-th of that. */
const fewTasks = 0.2;
const fewTasksEnd = 2.5;

/** How far GPUs are from being what nodes are bought for, and what is stranded from staying so. */
interface Slack {
  /** 0 = they are the scarcest there is and tasks come to stay, 0.5 = as many go as come, 1 = nobody asks for them. */
  readonly part: number;
  /** By fixed dimension, and (last) of a GPU: so that all that an average GPU comes with of the scarcest dimension counts 1. */
  readonly perUnit: Float64Array;
  /** Of an average node with GPUs. */
  readonly nodeGpus: number;
  /** What it costs to open an empty node where tasks come and go, in parts of those. */
  readonly opening: number;
}

const noSlack: Slack = { part: 0, perUnit: new Float64Array(gpus + 1), nodeGpus: 0, opening: 0 };
/** GPUs asked for a tenth less than CPU count for half, and of what is left of CPU as much. Less than a twentieth is chance among the first tasks: saturation is 0.1 points better for leaving it out. */
const nearlyScarcest = 0.95;
const gpuSteepness = 12;
/** Where as many tasks go as come, whatever is scarce. 0.2 and 0.85 are worse on half of the mixes. */
const partUnderChurn = 0.5;
const openingUnderChurn = 1;
/** How steeply dimensions count where tasks come to stay; up to `steepest` where they go. */
const staySteepness = 16;
/** Costs are others when it has changed by this part. */
const slackChange = 0.02;

function learnSlack(state: ClusterState): Slack {
  const { relative, total } = learnScarcity(state).withGpus;
  const turnover = state.turnover.of(state.placedTasks), whereTheyStay = 1 - Math.min(1, relative[gpus]! / nearlyScarcest) ** gpuSteepness, part = whereTheyStay + turnover * (partUnderChurn - whereTheyStay);
  const steepness = staySteepness + turnover * (steepest - staySteepness);
  if (total[gpus] === 0 || part === 0) return noSlack;
  let count = 0;
  state.nodes.alive.forEach((n) => { if (state.nodes.gpuCount[n]! > 0) count++; });
  return { part, perUnit: relative.map((each, d) => (total[d]! > 0 ? (weightOf(each, steepness) * total[gpus]!) / total[d]! : 0)), nodeGpus: total[gpus]! / count, opening: turnover * openingUnderChurn };
}

function differsSlack(a: Slack, b: Slack): boolean {
  return Math.abs(a.part - b.part) > slackChange || Math.abs(a.opening - b.opening) > slackChange * openingUnderChurn || a.nodeGpus !== b.nodeGpus || a.perUnit.some((each, d) => Math.abs(each - b.perUnit[d]!) > slackChange * each);
}

/** No request. */
const none = -1;
const nothingAsked: Mix = { demandGpus: 0, perGpu: new Float64Array(fixedDimensions.length), price: new Float64Array(0), usableGpus: 0, large: [], leastLargeGpus: Infinity };
const priceWeight = 3;
const opening = 0.2;
const leastChanges = 16;

/** By so much that the order of nodes may be another. */
function differs(a: Mix, b: Mix): boolean {
  if (a.price.length !== b.price.length || (a.demandGpus === 0) !== (b.demandGpus === 0)) return true;
  for (let d = 0; d < a.perGpu.length; d++) if (Math.abs(a.perGpu[d]! - b.perGpu[d]!) > 0.01 * a.perGpu[d]!) return true;
  if (a.large.length !== b.large.length || a.large.some(({ price }, i) => Math.abs(price - b.large[i]!.price) > 0.01 * Math.max(0.1, price))) return true;
  for (let n = 0; n < a.price.length; n++) if (Math.abs(a.price[n]! - b.price[n]!) > 0.01 * Math.max(0.1, a.price[n]!)) return true;
  return false;
}
