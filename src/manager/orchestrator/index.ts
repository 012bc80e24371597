/**
 * Services become tasks. In: services, nodes and tasks of the store. Out: new tasks (NEW), what tasks are meant to be (desired state),
 * the state of rolling updates, and the end of what is not needed any more. Places nothing, numbers nothing, talks to no node.
 *
 *   service-loop.ts      one look per service that changed
 *   reaper-loop.ts       what is forgotten
 *   core/supervise.ts    everything that one service needs now, composed of:
 *     replicated.ts      which slots are missing, which are too many
 *     global.ts          which nodes lack a task
 *     enforcer.ts        which tasks can not stay on their node
 *     restart.ts         whether, and when, an ended task gets a successor
 *     update.ts          which outdated task is replaced next
 *   core/reaper.ts       which tasks and services go
 */
export { startOrchestrator } from "./orchestrator.js";
export type { LoopHandle, OrchestratorPorts } from "./ports.js";
