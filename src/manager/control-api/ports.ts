import type { Clock, Logger } from "../../lib/index.js";
import type { Task } from "../../model/index.js";
import type { Store } from "../../store/index.js";
import type { LogRecord } from "../../gen/swarm/v1/LogRecord.js";
import type { LogsRequest } from "../../gen/swarm/v1/LogsRequest.js";

/** A member of the raft group, as this manager sees it. */
export interface ManagerMember {
  readonly nodeId: string;
  readonly raftId: number;
  readonly addr: string;
  readonly isLearner: boolean;
  /** Known on the leader only: heard from within an election timeout. */
  readonly isReachable: boolean;
}

/** What the control API asks of replication. */
export interface Members {
  readonly nodeId: string;
  readonly leaderNodeId: string | undefined;
  list(): readonly ManagerMember[];
  /** Leader only: takes a manager out of the raft group. */
  remove(nodeId: string): Promise<void>;
}

export interface TaskLogSource { readonly task: Task; readonly name: string; readonly nodeName: string }

/** The log broker, as far as the API uses it: ends when nothing more will come. */
export interface LogBroker {
  logs(request: LogsRequest, tasks: readonly TaskLogSource[], signal: AbortSignal): AsyncIterable<LogRecord>;
}

export interface ControlDependencies {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly members: Members;
  readonly logBroker: LogBroker;
  /** A new object's id. */
  readonly newId: () => string;
}
