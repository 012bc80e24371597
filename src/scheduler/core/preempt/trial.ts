import { maxGpus, wholeGpu, type ClusterState } from "../state/index.js";

/**
 * What one node would have for one more of a request if some of its tasks were gone: amounts, GPUs and host ports, in arrays that are used again for each
 * node. A change costs a few additions, where taking tasks out of the state would touch lists and indexes.
 */
export class NodeTrial {
  readonly #dimensions: readonly number[];
  readonly #free: Float64Array;
  readonly #device = new Int32Array(maxGpus);
  readonly #start: Int32Array;
  readonly #ports: readonly string[];
  #n = -1;
  /** Holders of ports that the request needs. */
  #portHolders = 0;

  constructor(readonly state: ClusterState, readonly r: number, ports: readonly string[]) {
    this.#dimensions = state.requests.amount.map((_, d) => d).filter((d) => state.requests.amount[d]![r]! > 0);
    this.#free = new Float64Array(this.#dimensions.length);
    this.#start = state.nodes.gpuStart;
    this.#ports = ports;
  }

  get dimensions(): readonly number[] { return this.#dimensions; }

  /** Node `n` as it is, less what `claimed` others of the same request are to get. */
  begin(n: number, claimed: number): void {
    const { nodes, requests, ports } = this.state;
    this.#n = n;
    for (let i = 0; i < this.#dimensions.length; i++) {
      const d = this.#dimensions[i]!;
      this.#free[i] = nodes.free[d]![n]! - claimed * requests.amount[d]![this.r]!;
    }
    for (let i = 0; i < nodes.gpuCount[n]!; i++) this.#device[i] = nodes.deviceFree[this.#start[n]! + i]!;
    this.#portHolders = 0;
    for (const port of this.#ports) this.#portHolders += ports.usersOf(port).get(n) ?? 0;
    this.#claimedGpus = claimed;
  }

  #claimedGpus = 0;

  /** Task `t` of the node goes (sign 1) or is there again (−1). */
  give(t: number, sign: 1 | -1): void {
    const { tasks, requests } = this.state;
    const r = this.state.requestOf(t);
    for (let i = 0; i < this.#dimensions.length; i++) this.#free[i]! += sign * requests.amount[this.#dimensions[i]!]![r]!;
    const mask = tasks.gpuMask[t]!;
    if (mask !== 0) for (let i = 0; i < maxGpus; i++) if ((mask & (1 << i)) !== 0) this.#device[i]! += sign * requests.gpuMillis[r]!;
    if (this.#ports.length > 0) this.#portHolders -= sign * this.portsOf(t);
  }

  /** How many of the ports that are needed `t` holds. */
  portsOf(t: number): number {
    if (this.#ports.length === 0) return 0;
    const held = this.state.groups.rules[this.state.tasks.groupOf(t)]!.hostPorts;
    return held.length === 0 ? 0 : this.#ports.filter((port) => held.includes(port)).length;
  }

  /** How many fit, beside those that were promised theirs. */
  get room(): number {
    const { requests } = this.state;
    if (this.#portHolders > 0) return 0;
    let room = this.#ports.length > 0 ? 1 : Infinity;
    for (let i = 0; i < this.#dimensions.length; i++) room = Math.min(room, Math.floor(this.#free[i]! / requests.amount[this.#dimensions[i]!]![this.r]!));
    const count = requests.gpuCount[this.r]!;
    return Math.max(0, count === 0 ? room : Math.min(room, Math.floor(this.#gpuPlaces() / count) - this.#claimedGpus));
  }

  get fits(): boolean {
    const { requests } = this.state;
    if (this.#portHolders > 0) return false;
    for (let i = 0; i < this.#dimensions.length; i++) if (this.#free[i]! < requests.amount[this.#dimensions[i]!]![this.r]!) return false;
    const count = requests.gpuCount[this.r]!;
    return count === 0 || this.#gpuPlaces() >= count * (1 + this.#claimedGpus);
  }

  /** Those that were promised theirs come first: shares of one device are counted for each device. */
  #gpuPlaces(): number {
    const { nodes, requests } = this.state;
    const millis = requests.gpuMillis[this.r]!, start = this.#start[this.#n]!, devices = nodes.gpuCount[this.#n]!;
    let places = 0;
    for (let i = 0; i < devices; i++) {
      if (requests.allowsModel(this.r, nodes.deviceModel[start + i]!)) places += millis >= wholeGpu ? (this.#device[i]! >= wholeGpu ? 1 : 0) : Math.max(0, Math.floor(this.#device[i]! / millis));
    }
    return places;
  }

  /** How much of the `i`th dimension is missing still. */
  missing(i: number): number { return Math.max(0, this.state.requests.amount[this.#dimensions[i]!]![this.r]! - this.#free[i]!); }

  /** In parts of the node, how much of what is missing `t` would give. */
  coverage(t: number): number {
    const { nodes, requests, tasks } = this.state;
    const r = this.state.requestOf(t);
    let coverage = 0;
    for (let i = 0; i < this.#dimensions.length; i++) {
      const d = this.#dimensions[i]!;
      coverage += Math.min(this.missing(i), requests.amount[d]![r]!) / Math.max(1, nodes.total[d]![this.#n]!);
    }
    if (requests.gpuCount[this.r]! > 0 && tasks.gpuMask[t] !== 0) coverage += (requests.gpuCount[r]! * requests.gpuMillis[r]!) / (wholeGpu * nodes.gpuCount[this.#n]!);
    return coverage + this.portsOf(t);
  }
}
