/**
 * The agent of one node. In: a manager's assignments over one session, the engine's and the overlay's state. Out: containers and networks
 * as assigned, task statuses, log lines. Everything it was told is in its own database, so that it goes on without a manager and takes
 * over running containers after a restart. It never restarts a task: a new task for the same slot is the managers' decision.
 */
export { startAgent, type Agent, type AgentOptions, type AgentStatus } from "./agent.js";
export { createConnector, type Connector } from "./connector.js";
export type { HostUsage } from "./usage-sampler.js";
export { taskLabel } from "./container-config.js";
