export const maxFailures = 5;
export const failureWindowMs = 5 * 60_000;

/** Recent failures by node and revision: where a service failed again and again, other nodes come first (as in Swarm: five in five minutes). */
export class Failures {
  readonly #times = new Map<number, Map<string, number[]>>();      // node row → group key → Unix milliseconds, oldest first

  get isEmpty(): boolean { return this.#times.size === 0; }

  note(n: number, groupKey: string, atMs: number): void {
    let ofNode = this.#times.get(n);
    if (!ofNode) this.#times.set(n, ofNode = new Map());
    const times = ofNode.get(groupKey);
    if (times) { times.push(atMs); if (times.length > maxFailures) times.shift(); }
    else ofNode.set(groupKey, [atMs]);
  }

  isFailing(n: number, groupKey: string, nowMs: number): boolean {
    const times = this.#times.get(n)?.get(groupKey);
    return times !== undefined && times.length >= maxFailures && times[0]! > nowMs - failureWindowMs;
  }

  /** Nodes that the group is to avoid. Usually there are none, at no cost. */
  nodesFailing(groupKey: string, nowMs: number): number[] {
    const nodes: number[] = [];
    for (const n of this.#times.keys()) if (this.isFailing(n, groupKey, nowMs)) nodes.push(n);
    return nodes;
  }

  forgetNode(n: number): void { this.#times.delete(n); }

  /** Entries too old to matter go. */
  forgetBefore(nowMs: number): void {
    for (const [n, ofNode] of this.#times) {
      for (const [key, times] of ofNode) if (times.at(-1)! <= nowMs - failureWindowMs) ofNode.delete(key);
      if (ofNode.size === 0) this.#times.delete(n);
    }
  }

  copy(): Failures {
    const copy = new Failures();
    for (const [n, ofNode] of this.#times) copy.#times.set(n, new Map([...ofNode].map(([key, times]) => [key, [...times]])));
    return copy;
  }
}
