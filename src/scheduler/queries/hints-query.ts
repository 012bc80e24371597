import { isWanted, stateOf, type Service, type Task } from "../../model/index.js";
import type { ServiceHint } from "../../gen/swarm/v1/ServiceHint.js";
import type { ServiceHintsResponse } from "../../gen/swarm/v1/ServiceHintsResponse.js";
import type { Store } from "../../store/index.js";
import { leastWindowMs, rightSize } from "../core/hints/index.js";

/** What agents report, as the leader keeps it. */
export interface Usage {
  task(taskId: string): { readonly windowMs: number; readonly cpuP95Millis: number; readonly memoryPeakBytes: number } | undefined;
  readonly nodeCount: number;
}

/** Right-size hints for these services, those first by which most would be freed. */
export function* hintsQuery({ store, usage }: { readonly store: Store; readonly usage: Usage }, serviceIds: readonly string[]): Generator<void, ServiceHintsResponse> {
  const { nodes, totals } = store.view((tx) => {
    const ready = tx.list("node").filter(({ status }) => status?.state === "READY");
    const sum = (of: "cpuMillis" | "memoryBytes") => Math.max(1, ready.reduce((total, { description }) => total + (description?.resources?.[of] ?? 0), 0));
    return { nodes: ready.length, totals: { cpu: sum("cpuMillis"), memory: sum("memoryBytes") } };
  });
  const hints: { hint: ServiceHint; freedShare: number }[] = [];
  for (const id of serviceIds) {
    const { service, tasks } = store.view((tx) => ({ service: tx.get("service", id), tasks: tx.tasksOfService(id) }));
    if (service?.spec) {
      const hint = hintFor(service, tasks.filter((task) => isWanted(task) && stateOf(task) === "RUNNING"), usage);
      const freed = (reserved: number, suggested: number) => (suggested === 0 ? 0 : (reserved - suggested) * hint.tasks);
      hints.push({ hint, freedShare: freed(hint.reservedCpuMillis, hint.suggestedCpuMillis) / totals.cpu + freed(hint.reservedMemoryBytes, hint.suggestedMemoryBytes) / totals.memory });
    }
    yield;
  }
  hints.sort((a, b) => b.freedShare - a.freedShare || (a.hint.serviceName < b.hint.serviceName ? -1 : 1));
  return { hints: hints.map(({ hint }) => hint), reportingNodes: usage.nodeCount, nodes };
}

function hintFor({ id, spec }: Service, running: readonly Task[], usage: Usage): ServiceHint {
  const { name } = spec!;
  const reserved = spec!.task?.reservations, limits = spec!.task?.limits;
  const uses = running.flatMap((task) => usage.task(task.id) ?? []);
  const most = (of: (use: (typeof uses)[0]) => number) => uses.reduce((largest, use) => Math.max(largest, of(use)), 0);
  const seen = {
    serviceId: id, serviceName: name, tasks: running.length, reportingTasks: uses.length, windowMs: most(({ windowMs }) => windowMs),
    reservedCpuMillis: reserved?.cpuMillis ?? 0, reservedMemoryBytes: reserved?.memoryBytes ?? 0,
    usedCpuMillis: most(({ cpuP95Millis }) => cpuP95Millis), usedMemoryBytes: most(({ memoryPeakBytes }) => memoryPeakBytes),
  };
  const silent = (advice: string): ServiceHint => ({ ...seen, suggestedCpuMillis: 0, suggestedMemoryBytes: 0, advice, command: "" });
  if (running.length === 0) return silent("no task of it runs");
  if (uses.length === 0) return silent("nothing is known of what its tasks use yet; agents report every half minute");
  if (seen.windowMs < leastWindowMs) return silent(`watched for ${minutes(seen.windowMs)} only; a hint needs ${minutes(leastWindowMs)}`);
  const cpu = rightSize("cpu", { reserved: seen.reservedCpuMillis, limit: limits?.cpuMillis ?? 0, used: seen.usedCpuMillis });
  const memory = rightSize("memory", { reserved: seen.reservedMemoryBytes, limit: limits?.memoryBytes ?? 0, used: seen.usedMemoryBytes });
  const options = [cpu.suggested > 0 ? `--reserve-cpu ${cpu.suggested / 1_000}` : "", memory.suggested > 0 ? `--reserve-memory ${memory.suggested % 2 ** 20 === 0 ? `${memory.suggested / 2 ** 20}m` : memory.suggested}` : ""].filter((option) => option !== "");
  return {
    ...seen, suggestedCpuMillis: cpu.suggested, suggestedMemoryBytes: memory.suggested,
    advice: [cpu.advice, memory.advice].filter((advice) => advice !== "").join("; ") || "about right",
    command: options.length > 0 ? `swarmctl service update ${options.join(" ")} ${name}` : "",
  };
}

const minutes = (ms: number): string => { const count = Math.floor(ms / 60_000); return count === 0 ? "less than a minute" : `${count} minute${count === 1 ? "" : "s"}`; };
