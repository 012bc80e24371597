// What the parts of a node share. Each part owns one subject (proposals, reads, members, snapshots, messages, status); node.ts owns the loop that calls them.
import type { Transport } from "../api.js";
import type { RaftCore } from "../core/raft.js";
import type { NodeConfig } from "../options.js";
import type { Waiters } from "../waiters.js";
import type { Storage } from "../wal/storage.js";
import type { Counters } from "./status.js";

export interface NodeContext {
  readonly config: NodeConfig;
  readonly core: RaftCore;
  readonly storage: Storage;
  readonly transport: Transport;
  readonly waiters: Waiters;
  readonly counters: Counters;
  /** Closed, failed or removed: nothing is done any more. */
  readonly hasEnded: boolean;
  throwIfEnded(): void;
  /** The core has news: they are looked at after the present turn of the event loop. */
  schedule(): void;
  /** Ends the node, and acknowledges nothing more. */
  fail(error: Error): void;
}
