import { mkdir, rm } from "node:fs/promises";
import { Level } from "level";
import { SwarmError, messageOf, type Logger } from "../lib/index.js";
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

  /**
   * A damaged database is thrown away whole: the managers tell this node its tasks again, and their containers are taken over. A part
   * of it could look like all, and what the lost part told of would be stopped.
   */
  static async open(directory: string, log: Logger): Promise<AgentDatabase> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    try {
      return await openWhole(directory, (level) => new AgentDatabase(level));
    } catch (error) {
      const cause = (error as Error).cause ?? error;
      if ((cause as { code?: string }).code === "LEVEL_LOCKED") throw new SwarmError("FAILED_PRECONDITION", `Cannot open the agent's database in "${directory}": another process uses it; stop that one`, { cause: error });
      if (!isDamage(cause)) throw new SwarmError("FAILED_PRECONDITION", `Cannot open the agent's database in "${directory}": ${messageOf(cause)}; see whether the disk is full or read-only`, { cause: error });
      log.warn("The agent's database was damaged; starting with an empty one, the managers say again what this node must run", { directory, error: cause });
      await rm(directory, { recursive: true, force: true });
      await mkdir(directory, { recursive: true, mode: 0o700 });
      return openWhole(directory, (level) => new AgentDatabase(level));
    }
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

/** Opens it and reads all of it once: damage inside a table shows itself only then. */
async function openWhole<T>(directory: string, use: (level: Level<string, unknown>) => T): Promise<T> {
  const level = new Level<string, unknown>(directory, { valueEncoding: "json" });
  await level.open();
  try { for await (const _ of level.iterator()); } catch (error) { await level.close(); throw error; }
  return use(level);
}

/** Missing or short files are damage as well; a disk that cannot be written is not. */
function isDamage(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string };
  return code === "LEVEL_CORRUPTION" || code === "LEVEL_DECODE_ERROR" || (code === "LEVEL_IO_ERROR" && /No such file|Invalid argument/.test(message ?? ""));
}
