import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import { SwarmError, messageOf, type Logger } from "../lib/index.js";
import { requireOperator, serverStream, unary, type Authorize, type CallContext } from "../rpc/index.js";
import type { LogsRequest } from "../gen/swarm/v1/LogsRequest.js";
import type { WatchRequest } from "../gen/swarm/v1/WatchRequest.js";
import type { Store } from "../store/index.js";
import { queryMethods, readMethods, writeMethods, type ControlApi } from "./control-api/index.js";
import type { LeaderForward } from "./leader-forward.js";
import type { Replication } from "./replication.js";

export interface ControlHandlersOptions {
  readonly api: ControlApi;
  readonly forward: LeaderForward;
  readonly store: Store;
  readonly replication: Pick<Replication, "catchUp" | "isLeader">;
  readonly authorize: Authorize;
  readonly log: Logger;
}

/**
 * swarm.v1.Control as gRPC serves it. Reads and writes reach the leader; Watch and Logs are served from this manager's own copy,
 * which gets every change in the same order.
 */
export function controlHandlers({ api, forward, store, replication, authorize, log }: ControlHandlersOptions): UntypedServiceImplementation {
  const operators: Authorize = (call) => {
    const caller = authorize(call);
    try {
      requireOperator({ caller });
      // A certificate outlives a demotion; the store does not.
      if (caller.kind === "node" && store.view((tx) => tx.get("node", caller.nodeId)?.role) === "WORKER") {
        throw new SwarmError("PERMISSION_DENIED", `Cannot serve the call: node "${caller.nodeId}" is a worker now, and a worker's certificate cannot call the control API; run the command on a manager`);
      }
      return caller;
    } catch (error) {
      log.warn("control call refused", { method: call.getPath(), peer: call.getPeer(), reason: messageOf(error) });
      throw error;
    }
  };
  const route = (method: string, request: object, context: CallContext) => ({ service: "Control" as const, method: method.charAt(0).toLowerCase() + method.slice(1), request, context });

  const handlers: UntypedServiceImplementation = {};
  for (const method of readMethods) handlers[method] = unary<object, object>(operators, (request, context) => forward.read(route(method, request, context), () => api.read(method, request)));
  for (const method of writeMethods) handlers[method] = unary<object, object>(operators, (request, context) => forward.write(route(method, request, context), () => api.write(method, request)));
  for (const method of queryMethods) handlers[method] = unary<object, object>(operators, (request, context) => forward.query(route(method, request, context), () => api.query(method, request, context.signal)));
  handlers["Watch"] = serverStream<WatchRequest, object>(operators, (request, context) => api.watch(request, context.signal));
  handlers["Logs"] = serverStream<LogsRequest, object>(operators, async function* (request, context) {
    // A service that was created a moment ago through the leader should be known here too; without a leader what is known must do.
    await replication.catchUp(500).catch(() => {});
    yield* api.logs(request, context.signal);
  });
  return handlers;
}
