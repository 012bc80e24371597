export const maxFailures = 5;
export const failureWindowMs = 5 * 60_000;

/** Recent failures by node and revision: where a service failed again and again, other nodes come first (as in Swarm: five in five minutes). */
export class Failures {
  /** Node row → group key → Unix milliseconds, oldest first. What is inside is replaced, never changed: copies share it. */
  #times = new Map<number, ReadonlyMap<string, readonly number[]>>();

  get isEmpty(): boolean { return this.#times.size === 0; }

  note(n: number, groupKey: string, atMs: number): void {
    const ofNode = this.#times.get(n);
    const times = [...(ofNode?.get(groupKey) ?? []), atMs].slice(-maxFailures);
    this.#times.set(n, new Map([...(ofNode ?? []), [groupKey, times]]));
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
      const left = [...ofNode].filter(([, times]) => times.at(-1)! > nowMs - failureWindowMs);
      if (left.length === 0) this.#times.delete(n);
      else if (left.length < ofNode.size) this.#times.set(n, new Map(left));
    }
  }

  copy(): Failures {
    const copy = new Failures();
    copy.#times = new Map(this.#times);
    return copy;
  }
}
