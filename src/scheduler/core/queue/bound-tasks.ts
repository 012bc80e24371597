/** Tasks that name their node (of global services, or that are moved there): each waits for its node alone, and comes before those that can go elsewhere. */
export class BoundTasks {
  /** Task row → node id. */
  readonly #nodeOf = new Map<number, string>();
  readonly #ready = new Set<number>();
  readonly #waiting = new Map<string, Set<number>>();

  get size(): number { return this.#nodeOf.size; }
  get hasReady(): boolean { return this.#ready.size > 0; }
  has(t: number): boolean { return this.#nodeOf.has(t); }
  nodeOf(t: number): string { return this.#nodeOf.get(t) ?? ""; }

  add(t: number, nodeId: string): void {
    this.#nodeOf.set(t, nodeId);
    this.#ready.add(t);
  }

  remove(t: number): void {
    const nodeId = this.#nodeOf.get(t);
    if (nodeId === undefined) return;
    this.#nodeOf.delete(t);
    this.#ready.delete(t);
    const others = this.#waiting.get(nodeId);
    if (others?.delete(t) && others.size === 0) this.#waiting.delete(nodeId);
  }

  /** Those that are to be decided about, at most `limit`, those of higher priority first. They wait for their node until it wakes them. */
  take(limit: number, priorityOf: (t: number) => number): number[] {
    const all = [...this.#ready];
    if (all.some((t) => priorityOf(t) !== priorityOf(all[0]!))) all.sort((a, b) => priorityOf(b) - priorityOf(a));
    const taken = all.slice(0, limit);
    for (const t of taken) {
      this.#ready.delete(t);
      const nodeId = this.#nodeOf.get(t)!;
      const others = this.#waiting.get(nodeId);
      if (others) others.add(t);
      else this.#waiting.set(nodeId, new Set([t]));
    }
    return taken;
  }

  /** Something has changed for the better on this node. */
  wake(nodeId: string): void {
    const tasks = this.#waiting.get(nodeId);
    if (!tasks) return;
    this.#waiting.delete(nodeId);
    for (const t of tasks) this.#ready.add(t);
  }

  /** Something has changed, on whatever node, that these waited for. */
  wakeWhere(isConcerned: (t: number) => boolean): void {
    for (const [nodeId, tasks] of [...this.#waiting]) {
      for (const t of tasks) {
        if (!isConcerned(t)) continue;
        tasks.delete(t);
        this.#ready.add(t);
      }
      if (tasks.size === 0) this.#waiting.delete(nodeId);
    }
  }

  wakeAll(): void { for (const nodeId of [...this.#waiting.keys()]) this.wake(nodeId); }
  get waitsForAny(): boolean { return this.#waiting.size > 0; }
}
