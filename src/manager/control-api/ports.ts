import type { Clock, Logger, Metrics } from "../../lib/index.js";
import type { Node, Service, ServiceSpec, Task } from "../../model/index.js";
import type { Store } from "../../store/index.js";
import type { ExplainResponse } from "../../gen/swarm/v1/ExplainResponse.js";
import type { LogRecord } from "../../gen/swarm/v1/LogRecord.js";
import type { LogsRequest } from "../../gen/swarm/v1/LogsRequest.js";
import type { NodeUse } from "../../gen/swarm/v1/NodeUse.js";
import type { NewNodes } from "../../gen/swarm/v1/NewNodes.js";
import type { RebalanceResponse } from "../../gen/swarm/v1/RebalanceResponse.js";
import type { ServiceHintsResponse } from "../../gen/swarm/v1/ServiceHintsResponse.js";
import type { WhatIfResponse } from "../../gen/swarm/v1/WhatIfResponse.js";

/** A member of the raft group, as this manager sees it. */
export interface ManagerMember {
  readonly nodeId: string;
  readonly raftId: number;
  readonly addr: string;
  readonly isLearner: boolean;
  /** Known on the leader only: heard from within an election timeout. */
  readonly isReachable: boolean;
  /** How its log follows; known on the leader only, and not of itself. */
  readonly progress?: { readonly state: string; readonly lagEntries: number; readonly lastHeardMs: number };
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

/** What the leader's scheduler is asked, with every ref resolved and every spec sound. Answers UNAVAILABLE where it does not run. */
export interface SchedulerQueries {
  explain(query: ExplainQuery, signal: AbortSignal): Promise<ExplainResponse>;
  whatIf(query: WhatIfQuery, signal: AbortSignal): Promise<WhatIfResponse>;
  hints(serviceIds: readonly string[], signal: AbortSignal): Promise<ServiceHintsResponse>;
  rebalance(query: RebalanceQuery): Promise<RebalanceAnswer>;
}

export interface RebalanceQuery {
  /** undefined: as the cluster places. */
  readonly strategy: "pack" | "spread" | "free" | undefined;
  readonly nodeId: string;
  /** 0 = no limit. */
  readonly maxMoves: number;
  readonly isApplied: boolean;
}

export interface RebalanceAnswer extends Omit<RebalanceResponse, "moves" | "before" | "after"> {
  readonly moves: readonly { readonly taskId: string; readonly taskName: string; readonly from: Node; readonly to: Node; readonly gain: string }[];
  readonly before: readonly NodeUse[];
  readonly after: readonly NodeUse[];
}

export interface ExplainQuery {
  readonly subject:
    | { readonly kind: "task"; readonly taskId: string }
    | { readonly kind: "service"; readonly serviceId: string }
    /** Never submitted. `service`: what it would be an update of. */
    | { readonly kind: "spec"; readonly spec: ServiceSpec; readonly serviceId: string; readonly service: Service | undefined };
  readonly names: number;
  readonly candidates: number;
  readonly perNode: boolean;
}

export interface WhatIfQuery {
  readonly lose: readonly string[];
  readonly drain: readonly string[];
  readonly add: readonly NewNodes[];
  readonly scale: readonly { readonly serviceId: string; readonly replicas: number }[];
  readonly headroomFor: readonly string[];
}

export interface ControlDependencies {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly members: Members;
  readonly logBroker: LogBroker;
  readonly scheduler: SchedulerQueries;
  /** What this process counts. */
  readonly metrics: Pick<Metrics, "text">;
  /** A new object's id. */
  readonly newId: () => string;
}
