import type { Clock, Logger } from "../../lib/index.js";
import type { Store } from "../../store/index.js";

/** What the orchestrator's loops need from the process around them. */
export interface OrchestratorPorts {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: () => number;
  readonly newId: () => string;
}

export interface LoopHandle { stop(): Promise<void> }

/** Objects that one transaction writes at most, about: keeps raft entries far below 1 MiB. */
export const maxWritesPerTransaction = 200;
