import type { Task } from "./types.js";

/** Stop reason of a task that made room for one of higher priority. Its service did nothing wrong: it gets another, elsewhere or later. */
export const preemptedReason = (serviceName: string, priority: number): string => `preempted by ${serviceName} (priority ${priority})`;

export const isPreempted = (task: Task): boolean => task.desiredState === "SHUTDOWN" && /^preempted by .+ \(priority -?\d+\)$/s.test(task.stopReason);
