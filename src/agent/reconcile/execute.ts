import type { TaskEngine } from "../../engine/index.js";
import { SwarmError, isRetryable, messageOf } from "../../lib/index.js";
import { taskName, type PortConfig, type TaskAssignment, type TaskStatus } from "../../model/index.js";
import type { Overlay } from "../../overlay/index.js";
import { containerConfig, containerIdOf, imageOf, sandboxSpec } from "../container-config.js";
import { containerStatus, type Report, type Step } from "./plan.js";

/** What the steps act on. */
export interface World {
  readonly engine: TaskEngine;
  readonly overlay: Overlay;
  readonly gpuDeviceNodes?: (ids: readonly string[]) => Promise<readonly string[]>;
  /** Resolves when the overlay has taken all networks and endpoints that the agent knows now. */
  overlayApplied(): Promise<void>;
  /** Another task of its service takes connections on one of its networks. */
  isServedByOthers(taskId: string): boolean;
  pause(durationMs: number, signal: AbortSignal): Promise<void>;
  assignment(taskId: string): TaskAssignment;
  report(taskId: string, report: Report & { readonly hostPorts?: readonly PortConfig[] }): void;
  status(taskId: string): TaskStatus;
  /** Looks at the container again; resolves when the plan will see it. */
  refresh(taskId: string): Promise<void>;
  sandboxChanged(taskId: string, sandbox: { exists: boolean; isAttached: boolean }): void;
  forget(taskId: string): void;
  interrupt(taskId: string): void;
}

/** How often a step is tried when the failure may pass by itself, before the task fails for it. */
const attempts = { prepare: 5, start: 3 } as const;

/**
 * A task that is to stop takes no new connections from the moment that hosts hear of it, which is not the same moment on each: so long it goes on for those that
 * have not heard. Where nobody else could take them it stops at once.
 */
const withdrawMs = 1_000;

/** Performs one step. A rejection means: try again later. */
export async function execute(step: Step, world: World, attempt: number, signal: AbortSignal): Promise<void> {
  const { engine, overlay } = world;
  const id = containerIdOf(step.taskId);
  switch (step.kind) {
    case "report": return world.report(step.taskId, step.report);
    case "interrupt": return world.interrupt(step.taskId);
    case "prepare": return orGiveUp(step, world, attempt, signal, "REJECTED", () => prepare(step.taskId, world, signal));
    case "start": return orGiveUp(step, world, attempt, signal, "FAILED", () => start(step.taskId, world));
    case "attach":
      await world.overlayApplied().catch(() => {});
      await overlay.attach(sandboxSpec(world.assignment(step.taskId)));
      return world.sandboxChanged(step.taskId, { exists: true, isAttached: true });
    case "stop": {
      if (step.then?.state === "SHUTDOWN" && world.isServedByOthers(step.taskId)) await world.pause(withdrawMs, signal);
      await engine.stop(id, { graceMs: step.graceMs, ...(step.signal && { signal: step.signal }) });
      await world.refresh(step.taskId);
      const container = await engine.inspect(id);
      if (step.then) world.report(step.taskId, { ...step.then, ...(container && { container: containerStatus(container) }) });
      return;
    }
    case "detach":
      await overlay.detach(step.taskId);
      return world.sandboxChanged(step.taskId, { exists: false, isAttached: false });
    case "remove":
      await engine.remove(id, { force: true });
      return world.refresh(step.taskId);
    case "forget": return world.forget(step.taskId);
    default: return step satisfies never;
  }
}

async function prepare(taskId: string, world: World, signal: AbortSignal): Promise<void> {
  const { engine } = world;
  const assignment = world.assignment(taskId);
  const image = imageOf(assignment);
  const policy = assignment.spec?.container?.pullPolicy ?? "IF_MISSING";
  if (world.status(taskId).state !== "PREPARING") world.report(taskId, { state: "PREPARING", message: "preparing" });
  containerConfig(assignment, undefined); // finds what cannot be expanded before anything is fetched
  const isHere = policy !== "ALWAYS" && await engine.images.get(image) !== undefined;
  if (!isHere && policy === "NEVER") {
    throw new SwarmError("NOT_FOUND", `Cannot prepare task "${nameOf(assignment)}": image "${image}" is not on node "${assignment.nodeName}" and its pull policy forbids to fetch it; load it there, or use another policy`);
  }
  if (!isHere) {
    world.report(taskId, { state: "PREPARING", message: `pulling image ${image}` });
    await engine.images.pull(image, { signal });
  }
  if (signal.aborted) throw signal.reason;
  world.report(taskId, { state: "TASK_READY", message: "prepared" });
}

async function start(taskId: string, world: World): Promise<void> {
  const { engine, overlay } = world;
  const assignment = world.assignment(taskId);
  const id = containerIdOf(taskId);
  if (world.status(taskId).state !== "STARTING") world.report(taskId, { state: "STARTING", message: "starting" });
  // Whether this task's own networks are there is for attach to say; another network's failure is not this task's.
  await world.overlayApplied().catch(() => {});
  world.sandboxChanged(taskId, { exists: true, isAttached: false });
  const sandbox = await overlay.attach(sandboxSpec(assignment));
  world.sandboxChanged(taskId, { exists: true, isAttached: true });
  world.report(taskId, { state: "STARTING", message: "starting", hostPorts: sandbox.hostPorts });
  const present = await engine.inspect(id);
  if (present?.phase !== "running") {
    // Left over from an attempt that broke off: its sandbox may have been another one.
    if (present) await engine.remove(id, { force: true });
    const nodes = await world.gpuDeviceNodes?.(assignment.task!.gpus.map((gpu) => gpu.id)) ?? [];
    await engine.create(containerConfig(assignment, sandbox, nodes));
    await engine.start(id);
  }
  await world.refresh(taskId);
}

/** A failure that may pass is left to another attempt, the last one and any other ends the task with its sentence. */
async function orGiveUp(step: { kind: "prepare" | "start"; taskId: string }, world: World, attempt: number, signal: AbortSignal, state: "REJECTED" | "FAILED", action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    if (signal.aborted) return;
    const { message, state: present } = world.status(step.taskId);
    if (isRetryable(error) && attempt + 1 < attempts[step.kind]) {
      world.report(step.taskId, { state: present, message: message.replace(/ \(trying again.*/, "") + ` (trying again: ${messageOf(error)})` });
      throw error;
    }
    await world.refresh(step.taskId).catch(() => {});
    world.report(step.taskId, { state, err: messageOf(error) });
  }
}

const nameOf = (assignment: TaskAssignment): string => taskName(assignment.serviceName, assignment.task!);
