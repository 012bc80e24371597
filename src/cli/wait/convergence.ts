import { compareTaskStates, isTerminal, isWanted, stateOf, type Service, type Task, type TaskState } from "../../model/index.js";
import type { TaskView } from "../../gen/swarm/v1/TaskView.js";
import { whyOf } from "../print/words.js";

/** What a person sees of one slot: where its present task is, and why it is not running. */
export interface SlotView {
  readonly key: string;
  readonly name: string;
  readonly state: TaskState | undefined;   // undefined: no task yet
  readonly nodeName: string;
  readonly isUpToDate: boolean;
  readonly isRunning: boolean;
  readonly isPending: boolean;             // the scheduler said why no node fits
  readonly message: string;
  readonly why: string;
  /** Tasks of this slot, of the present spec, that ended badly since one ran. */
  readonly failures: number;
  readonly rejections: number;
}

export interface Observation {
  readonly service: Service;
  readonly tasks: readonly TaskView[];
  /** Tasks that there should be; the API counts them for a global service. */
  readonly desired: number;
  /** Revisions whose tasks need no replacing: the present one, and those that differ only in what is not the task's. */
  readonly upToDateRevisions: ReadonlySet<number>;
}

export type Verdict =
  | { readonly kind: "converged" }
  | { readonly kind: "progressing" }
  | { readonly kind: "waiting"; readonly why: string }     // only the scheduler's reasons keep it: may last for ever
  | { readonly kind: "failing"; readonly why: string };    // tried and refused: it will not come right by itself

/** A service that is not coming up says so after this many attempts at one slot. */
const rejectionsThatSettle = 2;
const failuresThatSettle = 3;

export function slotsOf({ service, tasks, desired, upToDateRevisions }: Observation): SlotView[] {
  const groups = new Map<string, Task[]>();
  const names = new Map<string, TaskView>();
  for (const view of tasks) {
    if (!view.task) continue;
    names.set(view.task.id, view);
    const key = view.task.slot > 0 ? String(view.task.slot) : view.task.nodeId || view.task.id;
    groups.set(key, [...(groups.get(key) ?? []), view.task]);
  }
  const name = service.spec?.name ?? service.id;
  if (service.spec?.mode === "REPLICATED") {
    for (let slot = 1; slot <= desired; slot++) if (!groups.has(String(slot)) && groups.size < desired) groups.set(String(slot), []);
  }
  const views: SlotView[] = [];
  for (const [key, group] of groups) {
    const newestFirst = [...group].sort((a, b) => (b.meta?.createdAtMs ?? 0) - (a.meta?.createdAtMs ?? 0) || (b.meta?.version ?? 0) - (a.meta?.version ?? 0));
    const wanted = newestFirst.filter(isWanted);
    // A slot that is being scaled away is not shown.
    const present = wanted.find((task) => upToDateRevisions.has(task.revision)) ?? wanted[0] ?? (service.spec?.mode === "REPLICATED" && Number(key) > desired ? undefined : newestFirst[0]);
    if (!present && group.length > 0) continue;
    const ended = newestFirst.filter((task) => upToDateRevisions.has(task.revision) && task !== present && isTerminal(stateOf(task)));
    if (present && isTerminal(stateOf(present)) && upToDateRevisions.has(present.revision)) ended.unshift(present);
    const bad = ended.filter((task) => stateOf(task) === "FAILED" || stateOf(task) === "REJECTED" || stateOf(task) === "ORPHANED");
    const state = present ? stateOf(present) : undefined;
    const isUpToDate = present !== undefined && upToDateRevisions.has(present.revision);
    const isRunning = isUpToDate && state === "RUNNING" && present.desiredState === "RUNNING";
    const presentWhy = present ? whyOf(present) : "";
    views.push({
      key, isUpToDate, isRunning, state,
      name: (present && names.get(present.id)?.name) || `${name}.${key}`,
      nodeName: (present && names.get(present.id)?.nodeName) || "",
      isPending: present !== undefined && compareTaskStates(stateOf(present), "ASSIGNED") < 0 && presentWhy !== "",
      message: present?.status?.message ?? "",
      why: isRunning ? "" : presentWhy || (bad[0] ? whyOf(bad[0]) : ""),
      failures: isRunning ? 0 : bad.length,
      rejections: isRunning ? 0 : bad.filter((task) => stateOf(task) === "REJECTED").length,
    });
  }
  return views.sort((a, b) => Number(a.key) - Number(b.key) || (a.name < b.name ? -1 : 1));
}

export function verdictOf(observation: Observation, slots: readonly SlotView[]): Verdict {
  const { service, desired } = observation;
  const update = service.updateStatus;
  if (update?.state === "UPDATE_PAUSED") return { kind: "failing", why: `the update is paused: ${update.message || firstWhy(slots) || "tasks of the new revision failed"}` };
  const runsOnce = service.spec?.task?.restart?.condition !== "ANY";
  const isDone = (slot: SlotView) => slot.isRunning || (runsOnce && slot.isUpToDate && slot.state === "COMPLETE");
  const leftOver = observation.tasks.filter((view) => view.task && isWanted(view.task) && !isTerminal(stateOf(view.task))).length;
  if (slots.filter(isDone).length === desired && leftOver <= desired && update?.state !== "UPDATING") return { kind: "converged" };

  const open = slots.filter((slot) => !isDone(slot));
  const hopeless = open.filter((slot) => slot.rejections >= rejectionsThatSettle || slot.failures >= failuresThatSettle
    // Nothing will follow: the restart policy has given up.
    || (slot.failures > 0 && runsOnce && slot.state !== undefined && isTerminal(slot.state)));
  if (hopeless.length) return { kind: "failing", why: `${hopeless[0]!.name}: ${hopeless[0]!.why || "its container ended"}${hopeless.length > 1 ? ` (and ${hopeless.length - 1} more)` : ""}` };
  const pending = open.filter((slot) => slot.isPending);
  if (pending.length && pending.length === open.length) return { kind: "waiting", why: pending[0]!.why };
  return { kind: "progressing" };
}

const firstWhy = (slots: readonly SlotView[]): string => slots.find((slot) => slot.why)?.why ?? "";
