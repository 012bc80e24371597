import type { Node, Service, ServiceSpec, Task, TaskState, UpdateStatus, Volume } from "../../../model/index.js";
import { newTask, newTaskStatus } from "../../../model/index.js";

/** All that is looked at to decide about one service: one moment of the store, and the time. */
export interface ServiceView {
  readonly service: Service;
  readonly spec: ServiceSpec;
  readonly tasks: readonly Task[];
  readonly nowMs: number;
  /** The most steps that are wanted now; more work is found again by the next look. */
  readonly maxSteps: number;
  specOf(revision: number): ServiceSpec | undefined;
  node(id: string): Node | undefined;
  volume(id: string): Volume | undefined;
  /** Tasks of a node that it has too little for, with the reason; empty of nodes that did not shrink. */
  inExcess(nodeId: string): ReadonlyMap<string, string>;
  /** Every node; asked for by global services only. */
  nodes(): readonly Node[];
  newId(): string;
}

/** What is to be written. Each is one whole change: a task is never stopped for a successor that is not made in the same transaction. */
export type Step =
  | { readonly kind: "start"; readonly task: Task }
  | { readonly kind: "stop"; readonly taskId: string; readonly desired: "SHUTDOWN" | "REMOVE"; readonly reason: string }
  | { readonly kind: "replace"; readonly taskId: string; readonly reason: string; readonly successor: Task }
  /** Lets a task that was held back at READY run. */
  | { readonly kind: "release"; readonly taskId: string }
  /** The task stays where it is after all. */
  | { readonly kind: "give-up-move"; readonly taskId: string; readonly reason: string };

export interface Plan {
  readonly steps: readonly Step[];
  readonly updateStatus?: UpdateStatus;
  /** Look again then, though nothing may have changed. */
  readonly wakeAtMs?: number;
}

/** A task that its service is to have, not yet known to allocator and scheduler. */
export function freshTask(view: ServiceView, fields: {
  slot: number; nodeId: string; revision: number; desiredState: Extract<TaskState, "TASK_READY" | "RUNNING">; notBeforeMs?: number; restarts?: number;
}): Task {
  return newTask({
    id: view.newId(), serviceId: view.service.id, revision: fields.revision, slot: fields.slot, nodeId: fields.nodeId,
    desiredState: fields.desiredState, notBeforeMs: fields.notBeforeMs ?? 0, restarts: fields.restarts ?? 0,
    status: newTaskStatus({ state: "NEW", timestampMs: view.nowMs, message: "created" }),
  });
}

/** Tasks of one transaction have no meta yet. */
export const createdAtMs = (task: Task, nowMs: number): number => task.meta?.createdAtMs ?? nowMs;

export const earliest = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : b === undefined ? a : Math.min(a, b);

export const nodeName = (node: Node | undefined, id: string): string => node?.description?.hostname || id;
