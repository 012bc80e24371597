/**
 * Questions of people to the scheduler of the leader: why, what if, what would do. In: requests with every ref resolved, the live state by `inspect`. Out: answers
 * with names in them. Each is answered from a copy of the state, in slices of a few milliseconds, so that decisions wait for nobody's curiosity. Stores nothing.
 */
import type { Clock } from "../../lib/index.js";
import type { ExplainResponse } from "../../gen/swarm/v1/ExplainResponse.js";
import type { ServiceHintsResponse } from "../../gen/swarm/v1/ServiceHintsResponse.js";
import type { WhatIfResponse } from "../../gen/swarm/v1/WhatIfResponse.js";
import type { Store } from "../../store/index.js";
import { explainQuery, type ExplainQuery } from "./explain-query.js";
import { hintsQuery, type Usage } from "./hints-query.js";
import type { Inspect } from "./live.js";
import { SlicedRunner } from "./sliced.js";
import { whatIfQuery, type WhatIfQuery } from "./what-if-query.js";

export type { ExplainQuery, ExplainSubject } from "./explain-query.js";
export type { Usage } from "./hints-query.js";
export type { Inspect, Live } from "./live.js";
export type { WhatIfQuery } from "./what-if-query.js";

export interface SchedulerQueries {
  explain(query: ExplainQuery, signal: AbortSignal): Promise<ExplainResponse>;
  whatIf(query: WhatIfQuery, signal: AbortSignal): Promise<WhatIfResponse>;
  hints(serviceIds: readonly string[], signal: AbortSignal): Promise<ServiceHintsResponse>;
}

/** `inspect` throws UNAVAILABLE while this manager runs no scheduler. */
export function createSchedulerQueries(dependencies: { readonly store: Store; readonly clock: Clock; readonly inspect: Inspect; readonly usage: Usage }): SchedulerQueries {
  const runner = new SlicedRunner(dependencies.clock);
  return {
    explain: (query, signal) => runner.run(() => explainQuery(dependencies, query), signal),
    hints: (serviceIds, signal) => runner.run(() => hintsQuery(dependencies, serviceIds), signal),
    whatIf: (query, signal) => runner.run(() => whatIfQuery(dependencies, query), signal),
  };
}
