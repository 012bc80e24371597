/**
 * Log lines on their way from the agents to whoever asked. In: a request and the tasks it names; lines that agents publish. Out: one
 * stream of records. The lines are never stored here and never pass through Raft; a slow reader slows its own agents down.
 */
export { createLogBroker, type LogBroker, type LogBrokerOptions, type LoggedTask, type LogSession } from "./log-broker.js";
