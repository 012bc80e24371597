import { mkdir } from "node:fs/promises";
import { Level } from "level";
import { SwarmError, messageOf } from "../lib/index.js";
import type { EndpointSet, Network, NodeAttachmentSet, TaskAssignment, TaskStatus } from "../model/index.js";

/** A task as the agent keeps it. */
export interface TaskRecord {
  readonly assignment: TaskAssignment;
  readonly isAssigned: boolean;
  readonly status: TaskStatus;
  /** The leader has stored this status. */
  readonly isAcked: boolean;
}

export interface Meta {
  readonly nodeId: string;
  /** results_in of the last assignments; 0 before the first. */
  readonly index: number;
  readonly dataPort: number;
  readonly managers: readonly string[];
}

export interface Contents {
  readonly meta: Meta | undefined;
  readonly tasks: Map<string, TaskRecord>;
  readonly networks: Map<string, Network>;
  readonly endpoints: Map<string, EndpointSet>;
  readonly nodeAttachments: Map<string, NodeAttachmentSet>;
}

type Table = "task" | "network" | "endpoints" | "attachments" | "meta";
const endKey = "\uffff";

/**
 * What the agent must know to go on with no manager in reach. Writes are not synced to the disk: they survive a kill of the process,
 * and after a crash of the host nothing runs that they would describe.
 */
export class AgentDatabase {
  readonly #level: Level<string, unknown>;
  #pending = new Map<string, unknown>();
  #flushing: Promise<void> | undefined;
  #failure: SwarmError | undefined;

  private constructor(level: Level<string, unknown>) { this.#level = level; }

  static async open(directory: string): Promise<AgentDatabase> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const level = new Level<string, unknown>(directory, { valueEncoding: "json" });
    try {
      await level.open();
    } catch (error) {
      throw new SwarmError("FAILED_PRECONDITION", `Cannot open the agent's database in "${directory}": ${messageOf((error as Error).cause ?? error)}; is another swarmd using it?`, { cause: error });
    }
    return new AgentDatabase(level);
  }

  async read(): Promise<Contents> {
    const contents: Contents = { meta: undefined, tasks: new Map(), networks: new Map(), endpoints: new Map(), nodeAttachments: new Map() };
    let meta: Meta | undefined;
    for await (const [key, value] of this.#level.iterator()) {
      const slash = key.indexOf("/");
      const id = key.slice(slash + 1);
      switch (key.slice(0, slash) as Table) {
        case "task": contents.tasks.set(id, value as TaskRecord); break;
        case "network": contents.networks.set(id, value as Network); break;
        case "endpoints": contents.endpoints.set(id, value as EndpointSet); break;
        case "attachments": contents.nodeAttachments.set(id, value as NodeAttachmentSet); break;
        case "meta": meta = value as Meta; break;
      }
    }
    return { ...contents, meta };
  }

  /** undefined deletes. Later writes of a key replace earlier ones that were not written yet. */
  put(table: Table, id: string, value: unknown): void { this.#pending.set(`${table}/${id}`, value); this.#flushing ??= this.#flush(); }

  /** Resolves when all that was put before is in the file; rejects when it could not be written (it is tried again with the next put). */
  async flushed(): Promise<void> {
    while (this.#flushing) await this.#flushing;
    if (this.#failure) throw this.#failure;
  }

  async clear(): Promise<void> {
    await this.flushed();
    await this.#level.clear({ lt: endKey });
  }

  async close(): Promise<void> {
    await this.flushed().catch(() => {});
    await this.#level.close();
  }

  async #flush(): Promise<void> {
    await Promise.resolve(); // what is put in the same turn goes in one batch
    try {
      while (this.#pending.size > 0) {
        const batch = [...this.#pending];
        this.#pending = new Map();
        try {
          await this.#level.batch(batch.map(([key, value]) => (value === undefined ? { type: "del", key } : { type: "put", key, value })));
          this.#failure = undefined;
        } catch (error) {
          this.#failure = new SwarmError("INTERNAL", `Cannot write the agent's database: ${messageOf(error)}; see whether the disk is full`, { cause: error });
          this.#pending = new Map([...batch, ...this.#pending]);
          return;
        }
      }
    } finally { this.#flushing = undefined; }
  }
}
