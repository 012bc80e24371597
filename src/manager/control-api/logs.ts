import { SwarmError } from "../../lib/index.js";
import type { Task } from "../../model/index.js";
import type { ReadTx } from "../../store/index.js";
import type { LogRecord } from "../../gen/swarm/v1/LogRecord.js";
import type { LogsRequest } from "../../gen/swarm/v1/LogsRequest.js";
import type { ControlDependencies, TaskLogSource } from "./ports.js";
import { resolveRef } from "./refs.js";
import { taskView } from "./task-view.js";

/** The lines of a task, or of a service's tasks; when following also of tasks that get a node later. */
export async function* logs({ store, logBroker }: ControlDependencies, request: LogsRequest, signal: AbortSignal): AsyncGenerator<LogRecord> {
  if (request.tail < -1) throw new SwarmError("INVALID_ARGUMENT", `Cannot show logs: the number of lines is ${request.tail}; give 0 or more, or all`);
  const { serviceId, tasks } = store.view((tx) => subject(tx, request.ref));
  const isService = serviceId !== undefined;
  const ended = new AbortController();
  const until = AbortSignal.any([signal, ended.signal]);
  const merged = new Merge<LogRecord>(until);
  const known = new Set(tasks.map(({ task }) => task.id));
  merged.add(logBroker.logs(request, tasks, until));
  const stop = !request.follow || !isService ? () => {} : store.watch((commit) => {
    const fresh = commit.changes.flatMap((change) => (change.table === "task" && change.kind !== "removed" && change.object.serviceId === serviceId && change.object.nodeId !== "" && !known.has(change.object.id) ? [change.object] : []));
    if (commit.changes.some((change) => change.table === "service" && change.kind === "removed" && change.object.id === serviceId)) merged.close();
    if (fresh.length === 0) return;
    for (const { id } of fresh) known.add(id);
    const sources = store.view((tx) => fresh.map((task) => sourceOf(tx, task)));
    merged.add(logBroker.logs({ ...request, tail: -1 }, sources, until));
  });
  if (!request.follow || !isService) merged.close();
  try {
    yield* merged;
  } finally {
    stop();
    ended.abort(new SwarmError("CANCELLED", "the reader went away"));
  }
}

function subject(tx: ReadTx, ref: string): { serviceId: string | undefined; tasks: TaskLogSource[] } {
  const service = serviceOf(tx, ref);
  if (service) {
    const tasks = tx.tasksOfService(service.id).filter(({ nodeId }) => nodeId !== "");
    return { serviceId: service.id, tasks: tasks.map((task) => sourceOf(tx, task)) };
  }
  const task = resolveRef(tx, "task", ref, "Cannot show the logs of");
  if (task.nodeId === "") throw new SwarmError("FAILED_PRECONDITION", `Cannot show the logs of task "${taskView(tx, task).name}": it has no node yet${task.status?.err ? ` (${task.status.err})` : ""}`);
  return { serviceId: undefined, tasks: [sourceOf(tx, task)] };
}

/** A service if the ref names one; a ref that names neither is refused as a task. */
function serviceOf(tx: ReadTx, ref: string) {
  try {
    return resolveRef(tx, "service", ref, "Cannot show the logs of");
  } catch (error) {
    const isTask = (() => { try { return Boolean(resolveRef(tx, "task", ref, "")); } catch { return false; } })();
    if (isTask) return undefined;
    if (error instanceof SwarmError && error.code === "NOT_FOUND") throw new SwarmError("NOT_FOUND", `Cannot show the logs of "${ref.slice(0, 100)}": there is no such service or task; "swarmctl service ls" lists the services`);
    throw error;
  }
}

function sourceOf(tx: ReadTx, task: Task): TaskLogSource {
  const { name, nodeName } = taskView(tx, task);
  return { task, name, nodeName };
}

/** Several sources as one, with back-pressure: each is asked for its next value when the last was taken. Ends when closed and all ended. */
class Merge<T> {
  readonly #pending = new Map<AsyncIterator<T>, Promise<{ iterator: AsyncIterator<T>; result: IteratorResult<T> }>>();
  #isClosed = false;
  #changed!: Promise<undefined>;
  #change!: () => void;

  constructor(private readonly signal: AbortSignal) { this.#arm(); signal.addEventListener("abort", () => this.#change(), { once: true }); }

  add(source: AsyncIterable<T>): void { this.#ask(source[Symbol.asyncIterator]()); this.#change(); }
  close(): void { this.#isClosed = true; this.#change(); }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      if (this.signal.aborted || (this.#isClosed && this.#pending.size === 0)) return;
      const next = await Promise.race([this.#changed, ...this.#pending.values()]);
      if (!next) { this.#arm(); continue; }
      const { iterator, result } = next;
      this.#pending.delete(iterator);
      if (result.done) continue;
      yield result.value;
      this.#ask(iterator);
    }
  }

  #ask(iterator: AsyncIterator<T>): void {
    const asked = iterator.next().then((result) => ({ iterator, result }));
    asked.catch(() => {});   // seen by the race; or by nobody, when the reader has gone
    this.#pending.set(iterator, asked);
  }

  #arm(): void { this.#changed = new Promise((resolve) => { this.#change = () => resolve(undefined); }); }
}
