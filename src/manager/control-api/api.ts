import type { ReadTx } from "../../store/index.js";
import type { LogRecord } from "../../gen/swarm/v1/LogRecord.js";
import type { LogsRequest } from "../../gen/swarm/v1/LogsRequest.js";
import type { WatchEvent } from "../../gen/swarm/v1/WatchEvent.js";
import type { WatchRequest } from "../../gen/swarm/v1/WatchRequest.js";
import { getCluster, rotateJoinToken, updateCluster } from "./cluster.js";
import { logs } from "./logs.js";
import { getMetrics } from "./metrics.js";
import { createNetwork, getNetwork, listNetworks, removeNetwork } from "./network.js";
import { getNode, listNodes, removeNode, updateNode } from "./node.js";
import type { ControlDependencies } from "./ports.js";
import { explain, serviceHints, whatIf } from "./questions.js";
import { rebalance } from "./rebalance.js";
import { createService, getService, listRevisions, listServices, removeService, updateService } from "./service.js";
import { getTask, listTasks } from "./task.js";
import { createVolume, getVolume, listVolumes, removeVolume, updateVolume } from "./volume.js";
import { watch } from "./watch.js";

/** Answered from a view of the store; whoever calls says how fresh that is. */
const reads = {
  GetCluster: getCluster, ListNodes: listNodes, GetNode: getNode, ListServices: listServices, GetService: getService, ListRevisions: listRevisions,
  ListTasks: listTasks, GetTask: getTask, ListNetworks: listNetworks, GetNetwork: getNetwork, ListVolumes: listVolumes, GetVolume: getVolume,
} satisfies Record<string, (dependencies: ControlDependencies, tx: ReadTx, request: never) => object>;

/** Run on the leader. */
const writes = {
  UpdateCluster: updateCluster, RotateJoinToken: rotateJoinToken, UpdateNode: updateNode, RemoveNode: removeNode, CreateService: createService,
  UpdateService: updateService, RemoveService: removeService, CreateNetwork: createNetwork, RemoveNetwork: removeNetwork,
  CreateVolume: createVolume, UpdateVolume: updateVolume, RemoveVolume: removeVolume,
} satisfies Record<string, (dependencies: ControlDependencies, request: never) => Promise<object>>;

/** Asked of the leader's loops, whose state is nowhere else. */
const queries = { Explain: explain, WhatIf: whatIf, ServiceHints: serviceHints, Rebalance: rebalance, GetMetrics: getMetrics } satisfies Record<string, (dependencies: ControlDependencies, request: never, signal: AbortSignal) => Promise<object>>;

export type QueryMethod = keyof typeof queries;
export type ReadMethod = keyof typeof reads;
export type WriteMethod = keyof typeof writes;

export interface ControlApi {
  read(method: ReadMethod, request: object): object;
  write(method: WriteMethod, request: object): Promise<object>;
  query(method: QueryMethod, request: object, signal: AbortSignal): Promise<object>;
  watch(request: WatchRequest, signal: AbortSignal): AsyncIterable<WatchEvent>;
  logs(request: LogsRequest, signal: AbortSignal): AsyncIterable<LogRecord>;
}

export const readMethods = Object.keys(reads) as readonly ReadMethod[];
export const queryMethods = Object.keys(queries) as readonly QueryMethod[];
export const writeMethods = Object.keys(writes) as readonly WriteMethod[];

export function createControlApi(dependencies: ControlDependencies): ControlApi {
  return {
    read: (method, request) => dependencies.store.view((tx) => (reads[method] as (d: ControlDependencies, tx: ReadTx, r: object) => object)(dependencies, tx, request)),
    write: (method, request) => (writes[method] as (d: ControlDependencies, r: object) => Promise<object>)(dependencies, request),
    // async: what a request is refused for is a rejection.
    query: async (method, request, signal) => (queries[method] as (d: ControlDependencies, r: object, signal: AbortSignal) => Promise<object>)(dependencies, request, signal),
    watch: (request, signal) => watch(dependencies, request, signal),
    logs: (request, signal) => logs(dependencies, request, signal),
  };
}
