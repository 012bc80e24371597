import { isTerminal, isWanted, stateOf, taskStateWord, type PortConfig, type Service, type Task, type TaskState } from "../../model/index.js";
import type { Color } from "../terminal.js";

/** "8080→80/tcp, 5353→53/udp (host)" */
export const portWords = (ports: readonly PortConfig[]): string => ports
  .map((port) => `${port.publishedPort || "?"}→${port.targetPort}/${port.protocol.toLowerCase()}${port.mode === "HOST" ? " (host)" : ""}`).join(", ");

/** The ports that a service publishes, as decided where they are, else as asked for. */
export const servicePorts = (service: Service): readonly PortConfig[] => service.endpoint?.ports.length ? service.endpoint.ports : service.spec?.endpoint?.ports ?? [];

/**
 * What keeps or ended a task, in one sentence: the error, or why no node fits. The scheduler puts its explanation in `err` as well; the
 * reasons are the same thing counted.
 */
export function whyOf(task: Task): string {
  const status = task.status;
  if (!status) return "";
  if (status.err) return status.err;
  return status.pending.map((reason) => `${reason.filter} (${reason.nodes} ${reason.nodes === 1 ? "node" : "nodes"})${reason.detail ? `: ${reason.detail}` : ""}`).join("; ");
}

export function stateColor(state: TaskState): Color | undefined {
  if (state === "RUNNING" || state === "COMPLETE") return "green";
  if (state === "FAILED" || state === "REJECTED" || state === "ORPHANED") return "red";
  return isTerminal(state) ? "dim" : "yellow";
}

export const taskWords = (task: Task): string => taskStateWord(stateOf(task));
export const desiredWord = (task: Task): string => taskStateWord(task.desiredState);
export { isTerminal, isWanted, stateOf };
