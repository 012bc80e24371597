import { Bitset } from "./bitset.js";

/** Rows that changed since they were last taken, each once. */
export class NotedRows {
  readonly #noted = new Bitset();
  #rows: number[] = [];

  get size(): number { return this.#rows.length; }

  add(row: number): void {
    if (this.#noted.has(row)) return;
    this.#noted.set(row, true);
    this.#rows.push(row);
  }

  take(): number[] {
    const rows = this.#rows;
    for (const row of rows) this.#noted.set(row, false);
    this.#rows = [];
    return rows;
  }
}

/** What changes in a state while a copy of it is made, a piece at a time. At most as large as the state: what changes often is noted once. */
export class ChangeJournal {
  readonly tasks = new NotedRows();
  readonly groups = new NotedRows();
  readonly services = new NotedRows();
  readonly requests = new NotedRows();
  /** Beside those in NodeTable.changeLog. */
  readonly nodes = new NotedRows();
  /** Nodes that are new, other than they were, barred or gone: of these, which predicates they pass may have changed. */
  readonly described = new NotedRows();
  /** Nodes by port. */
  readonly ports = new Map<string, Set<number>>();
  readonly volumes = new Set<string>();

  notePort(port: string, n: number): void {
    const nodes = this.ports.get(port);
    if (nodes) nodes.add(n);
    else this.ports.set(port, new Set([n]));
  }

  get size(): number { return this.tasks.size + this.groups.size + this.services.size + this.requests.size + this.nodes.size + this.described.size + this.ports.size + this.volumes.size; }
}
