import type { Metrics } from "../lib/index.js";

/** What the scheduler counts. Names end in their unit; latencies are in seconds, as Prometheus has them. */
export type SchedulerMetrics = ReturnType<typeof schedulerMetrics>;

export function schedulerMetrics(metrics: Metrics) {
  return {
    latency: metrics.histogram("skein_scheduler_latency_seconds", "From a task that waits being known to its assignment being stored.", [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800]),
    slice: metrics.histogram("skein_scheduler_slice_seconds", "How long one slice of deciding and writing held the thread.", [0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5]),
    assigned: metrics.counter("skein_scheduler_assignments_total", "Tasks assigned to a node."),
    tries: metrics.counter("skein_scheduler_decisions_total", "Groups of tasks, or tasks bound to a node, that were decided about."),
    conflicts: metrics.counter("skein_scheduler_conflicts_total", "Decisions that were not stored because the task or the node had changed meanwhile."),
    failures: metrics.counter("skein_scheduler_failed_transactions_total", "Transactions of decisions that were refused or lost."),
    preemptions: metrics.counter("skein_scheduler_preemptions_total", "Tasks stopped to make room for higher priorities."),
    workerDecisions: metrics.counter("skein_scheduler_worker_decisions_total", "Decisions made in the worker thread."),
    audits: metrics.counter("skein_scheduler_audits_total", "Times that the picture of the cluster was compared with the store."),
    faults: metrics.counter("skein_scheduler_audit_faults_total", "Differences that such a comparison found."),
    waiting: metrics.gauge("skein_scheduler_waiting_tasks", "Tasks that wait for a node."),
    blocked: metrics.gauge("skein_scheduler_blocked_groups", "Revisions of services with tasks that fit nowhere now."),
    kept: metrics.gauge("skein_scheduler_kept_nodes", "Nodes that are kept for a service that waits for room."),
  };
}
