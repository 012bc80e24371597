/**
 * Until when each node counts as alive, in monotonic milliseconds. A node without a lease is nobody's concern: it never had a
 * session, or it was already declared down.
 */
export class LeaseTable {
  readonly #deadlines = new Map<string, number>();

  get size() { return this.#deadlines.size; }
  has(nodeId: string) { return this.#deadlines.has(nodeId); }

  /** A node not heard of yet, after a change of leader. Never shortens. */
  grant(nodeId: string, now: number, ttlMs: number): void {
    this.#deadlines.set(nodeId, Math.max(this.#deadlines.get(nodeId) ?? 0, now + ttlMs));
  }

  /** It was heard of: from now on what counts is its own heartbeat, also when a longer lease was granted while it was not. */
  renew(nodeId: string, now: number, ttlMs: number): void { this.#deadlines.set(nodeId, now + ttlMs); }

  /** After an interruption of `ms` in which no heartbeat could be heard: nobody is blamed for it. */
  extendAll(ms: number): void {
    for (const [nodeId, deadline] of this.#deadlines) this.#deadlines.set(nodeId, deadline + ms);
  }

  drop(nodeId: string): void { this.#deadlines.delete(nodeId); }
  clear(): void { this.#deadlines.clear(); }

  expired(now: number): string[] {
    return [...this.#deadlines].filter(([, deadline]) => deadline <= now).map(([nodeId]) => nodeId);
  }
}
