/**
 * Services become tasks. In: services, nodes and tasks of the store. Out: new tasks (NEW), what tasks are meant to be (desired state),
 * the state of rolling updates, and the end of what is not needed any more. Places nothing, numbers nothing, talks to no node.
 *
 *   service-loop.ts   one look per service that changed → core/supervise.ts, which composes the pure parts:
 *     replicated/     which slots are missing, which are too many
 *     global/         which nodes lack a task
 *     enforcer/       which tasks can not stay on their node
 *     restart/        whether, and when, an ended task gets a successor
 *     update/         which outdated task is replaced next
 *   reaper/           what is forgotten
 */
export { startOrchestrator } from "./orchestrator.js";
export type { LoopHandle, OrchestratorPorts } from "./ports.js";
