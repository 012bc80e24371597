import { fixedDimensions, wholeGpu, type ClusterState } from "../state/index.js";
import { learnMix, roomFor, type Mix } from "./mix.js";

/**
 * What it costs to put one more of request r on node n, in GPUs; the cheapest node is the best, the one that joined first among equals. A function of the
 * node's free amounts, of whether it is empty, of the request and of the mix, and of nothing else: who keeps costs must look again at nodes that changed, and
 * at all of them in another epoch.
 *
 *   cost = usable GPUs lost × (1 + 3 × price)  −  GPUs asked for  +  room lost  +  0.2 if the node has no task yet
 *
 *   usable GPUs lost   usableGpus before − after. Where CPU and memory suffice for the GPUs that stay free, a task loses what it asks for, and costs nothing. A task that takes
 *                      more of them for each GPU than the average strands GPUs (cost above 0); one that takes less uses GPUs that were stranded (below 0).
 *                      Tasks without GPUs cost what they strand.
 *   price              how scarce the node's GPUs are for those who can go nowhere else (Mix.price). Without it, tasks that could go anywhere fill the few T4s, and
 *                      tasks that must have one fit nowhere in a cluster three times as large (openb gpuspec20).
 *   room lost          for each kind of request for several GPUs, how many fewer of it fit × its price (Mix.large). Few nodes have 8 GPUs and 120 cores free: tasks of one GPU that take a
 *                      little of each would leave none (openb multigpu50 needs 32 % more nodes than the bound without this, 0.6 % with it).
 *   0.2                fills nodes that are in use before others. Much more, and a GPU is stranded for it: 0.5 costs half a point of allocation at saturation.
 *   ties               most costs are 0, so the order of nodes decides often: filling from one end is worth 2 points of allocation against choosing at random.
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

  constructor(readonly state: ClusterState) {}

  get mix(): Mix { return this.#mix; }
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
    if (!differs(was, mix)) return false;
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
    // So that costs that are the same are equal: 2^20 = a millionth of a GPU, exact in a Float32 up to 16 GPUs.
    return Math.round(cost * 2 ** 20) / 2 ** 20;
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
