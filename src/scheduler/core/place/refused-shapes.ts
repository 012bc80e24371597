import type { ClusterState } from "../state/index.js";

const remembered = 16;

/**
 * Requests that fitted nowhere, for as long as nothing has made room since: who asks for at least as much of everything, of the same nodes, need not look. A cluster
 * that is full says no in 20 ns.
 */
export class RefusedShapes {
  readonly #requests = new Int32Array(remembered);
  readonly #eligibility = new Int32Array(remembered);
  #count = 0;
  #oldest = 0;
  #releases = -1;

  constructor(readonly state: ClusterState) {}

  /** `r` fits on no node of class `eligibility`. */
  add(r: number, eligibility: number): void {
    this.#forgetIfRoomWasMade();
    const at = this.#count < remembered ? this.#count++ : this.#oldest++ % remembered;
    this.#requests[at] = r;
    this.#eligibility[at] = eligibility;
  }

  get isEmpty(): boolean { return this.#count === 0; }

  /** Whether `r` asks for at least as much as one that fitted nowhere. */
  covers(r: number, eligibility: number): boolean {
    this.#forgetIfRoomWasMade();
    for (let i = 0; i < this.#count; i++) if (this.#eligibility[i] === eligibility && this.#asksAsMuch(r, this.#requests[i]!)) return true;
    return false;
  }

  #asksAsMuch(r: number, refused: number): boolean {
    const { requests } = this.state;
    for (let d = 0; d < requests.amount.length; d++) if (requests.amount[d]![r]! < requests.amount[d]![refused]!) return false;
    if (requests.gpuCount[refused] === 0) return true;
    return requests.gpuCount[r]! >= requests.gpuCount[refused]! && requests.gpuMillis[r]! >= requests.gpuMillis[refused]! && requests.gpuModels[r] === requests.gpuModels[refused];
  }

  // Rows of requests are used again: one that was given up may be another by now.
  #forgetIfRoomWasMade(): void {
    const { nodes, requests } = this.state;
    const version = nodes.releases + requests.released;
    if (version === this.#releases) return;
    this.#releases = version;
    this.#count = this.#oldest = 0;
  }
}
