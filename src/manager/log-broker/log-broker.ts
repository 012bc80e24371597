import type { DispatcherHandlers } from "../../gen/swarm/v1/Dispatcher.js";
import type { LogRecord } from "../../gen/swarm/v1/LogRecord.js";
import type { LogsRequest } from "../../gen/swarm/v1/LogsRequest.js";
import type { ManagerMessage__Input } from "../../gen/swarm/v1/ManagerMessage.js";
import type { ManagersClient, ManagersHandlers } from "../../gen/swarm/v1/Managers.js";
import type { PublishLogsMessage } from "../../gen/swarm/v1/PublishLogsMessage.js";
import type { RelayLogsRequest } from "../../gen/swarm/v1/RelayLogsRequest.js";
import { SwarmError, codeOf, idFromBytes, sleep, type Clock, type Logger } from "../../lib/index.js";
import { isTerminal, stateOf, taskName, taskStateOrder, type Service, type Task } from "../../model/index.js";
import { clientStream, serverStream, stream, type Authorize, type CallContext } from "../../rpc/index.js";
import type { ReadTx, Store } from "../../store/index.js";
import { BoundedQueue } from "./queue.js";

/** A node's session on this manager, as the dispatcher has it. */
export interface LogSession {
  readonly closed: AbortSignal;
  send(message: ManagerMessage__Input): void;
}

export interface LogBrokerOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly authorize: Authorize;
  readonly random: () => number;
  readonly session: (nodeId: string) => LogSession | undefined;
  /** The other managers, for nodes whose session is not here. */
  readonly managers: () => readonly { readonly nodeId: string; readonly client: ManagersClient }[];
}

/** A task with the names that its records carry. */
export interface LoggedTask { readonly task: Task; readonly name: string; readonly nodeName: string }

export interface LogBroker {
  /**
   * The lines of these tasks as they arrive, each task's own in order. Ends when all tasks are read to their end; with follow, when
   * the signal fires, and a service's new tasks join by themselves. A node that cannot be reached gives one SYSTEM record.
   */
  logs(request: LogsRequest, tasks: readonly LoggedTask[], signal: AbortSignal): AsyncIterable<LogRecord>;
  readonly dispatcherHandlers: Pick<DispatcherHandlers, "PublishLogs">;
  readonly managersHandlers: Pick<ManagersHandlers, "RelayLogs">;
}

/** Messages (of up to 64 KiB each) that wait for the reader of one request. */
const queuedMessages = 16;
/** How long an agent that holds a session may take until it answers a subscription. */
const answerMs = 10_000;
const retryMs = 2_000;

interface Subscription { readonly nodeId: string; readonly queue: BoundedQueue<PublishLogsMessage>; answered(): void; failed(error: SwarmError): void }

/** See index.ts. */
export function createLogBroker(options: LogBrokerOptions): LogBroker {
  const { store, clock, log, authorize, random } = options;
  const subscriptions = new Map<string, Subscription>();
  const newId = () => idFromBytes(Uint8Array.from({ length: 17 }, () => Math.floor(random() * 256)));

  // ---- one node's lines, wherever its session is -----------------------------------------------------------------------

  /** Through this manager's own session. Ends with the agent's stream; throws when the agent goes away or does not answer. */
  async function* subscribeHere(session: LogSession, request: RelayLogsRequest, signal: AbortSignal): AsyncGenerator<PublishLogsMessage> {
    const id = newId();
    const queue = new BoundedQueue<PublishLogsMessage>(queuedMessages);
    let failure: SwarmError | undefined;
    const failed = (error: SwarmError) => { failure ??= error; queue.close(); };
    const onAbort = () => queue.close();
    const onClosed = () => failed(new SwarmError("UNAVAILABLE", "the connection to the node broke"));
    const timer = clock.after(answerMs, () => failed(new SwarmError("DEADLINE_EXCEEDED", `the node did not answer within ${answerMs / 1000} s`)));
    subscriptions.set(id, { nodeId: request.nodeId, queue, failed, answered: () => timer.cancel() });
    signal.addEventListener("abort", onAbort, { once: true });
    session.closed.addEventListener("abort", onClosed, { once: true });
    if (signal.aborted) onAbort();
    if (session.closed.aborted) onClosed();
    session.send({ subscribe: { id, taskIds: request.taskIds, options: request.options } });
    try {
      yield* queue;
      if (failure) throw failure;
    } finally {
      timer.cancel();
      queue.close();
      subscriptions.delete(id);
      signal.removeEventListener("abort", onAbort);
      session.closed.removeEventListener("abort", onClosed);
      session.send({ unsubscribe: { id } });
    }
  }

  async function* subscribe(request: RelayLogsRequest, signal: AbortSignal): AsyncGenerator<PublishLogsMessage> {
    const own = options.session(request.nodeId);
    if (own) return yield* subscribeHere(own, request, signal);
    const attempts = new AbortController();
    const ended = AbortSignal.any([signal, attempts.signal]);
    try {
      // All are asked at once; the one that holds the session answers, the others say NOT_FOUND.
      const opened = options.managers().map(async ({ client }) => {
        const messages = stream<PublishLogsMessage>(client, "relayLogs", request, { signal: ended });
        return { messages, first: await messages.next() };
      });
      const { messages, first } = await Promise.any(opened).catch((error: AggregateError) => {
        const other = error.errors.find((e) => codeOf(e) !== "NOT_FOUND" && codeOf(e) !== "UNAVAILABLE");
        throw other ?? new SwarmError("UNAVAILABLE", "no manager has a connection to the node");
      });
      for (let next = first; !next.done; next = await messages.next()) yield next.value;
    } finally { attempts.abort(); }
  }

  // ---- a request --------------------------------------------------------------------------------------------------------

  async function* logs(request: LogsRequest, tasks: readonly LoggedTask[], signal: AbortSignal): AsyncGenerator<LogRecord> {
    const ended = new AbortController();
    const over = AbortSignal.any([signal, ended.signal]);
    const queue = new BoundedQueue<LogRecord[]>(queuedMessages);
    const seen = new Set<string>();
    let readers = 0;

    const begin = (group: readonly LoggedTask[]) => {
      const byNode = new Map<string, LoggedTask[]>();
      for (const logged of group) {
        if (seen.has(logged.task.id) || !hasStarted(logged.task)) continue;
        seen.add(logged.task.id);
        const sameNode = byNode.get(logged.task.nodeId);
        if (sameNode) sameNode.push(logged); else byNode.set(logged.task.nodeId, [logged]);
      }
      for (const [nodeId, group] of byNode) {
        readers += 1;
        void readNode(request, nodeId, group, queue, over).finally(() => { readers -= 1; closeWhenRead(); });
      }
    };
    const serviceId = request.follow ? store.view((tx) => followedService(tx, request.ref, tasks)) : undefined;
    const closeWhenRead = () => {
      if (readers === 0 && (!request.follow || (serviceId === undefined && tasks.every(({ task }) => seen.has(task.id))))) queue.close();
    };
    const isFollowed = (task: Task) => (serviceId === undefined ? tasks.some((logged) => logged.task.id === task.id) : task.serviceId === serviceId);
    // A task joins when its container starts: before that its node may not have heard of it and would say that there is nothing to read.
    const stopWatching = !request.follow ? undefined : store.watch((commit) => {
      const joining = commit.changes.flatMap((change) => (change.table === "task" && change.kind !== "removed" && isFollowed(change.object) && hasStarted(change.object) && !(change.previous && hasStarted(change.previous)) ? [change.object] : []));
      if (commit.changes.length === 0) joining.push(...store.view((tx) => tx.list("task").filter((task) => isFollowed(task) && !isTerminal(stateOf(task)))));
      if (joining.length > 0) begin(store.view((tx) => joining.map((task) => named(tx, tx.get("service", task.serviceId), task))));
    });
    const onAbort = () => queue.close();
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    begin(tasks);
    closeWhenRead();
    try {
      for await (const records of queue) yield* records;
    } finally {
      stopWatching?.();
      signal.removeEventListener("abort", onAbort);
      queue.close();
      ended.abort();
    }
  }

  /** Reads one node to its end; with follow, again and again until its tasks have ended, each time from the last line on. */
  async function readNode(request: LogsRequest, nodeId: string, group: readonly LoggedTask[], queue: BoundedQueue<LogRecord[]>, over: AbortSignal): Promise<void> {
    const open = new Map(group.map((logged) => [logged.task.id, logged]));
    const last = new Map<string, string>();
    let isTold = false;
    while (open.size > 0 && !over.aborted) {
      const resumed = new Map(last);
      const isContinued = resumed.size > 0;
      const since = isContinued ? Math.min(...[...resumed.values()].map((timestamp) => Date.parse(timestamp))) : request.sinceMs;
      try {
        const asked = { subscriptionId: "", taskIds: [...open.keys()], nodeId, options: { ...request, sinceMs: since, tail: isContinued ? -1 : request.tail } };
        for await (const message of subscribe(asked, over)) {
          isTold = false;
          const records = message.records.flatMap((record) => {
            const logged = open.get(record.taskId);
            // Time stamps of one container are of one form, so that they compare as text; what was delivered before a break comes twice.
            if (!logged || (record.timestamp !== "" && record.timestamp <= (resumed.get(record.taskId) ?? ""))) return [];
            return [{ ...record, taskName: logged.name, nodeName: logged.nodeName }];
          });
          for (const record of records) if (record.timestamp) last.set(record.taskId, record.timestamp);
          if (records.length > 0 && !await queue.push(records)) return;
          for (const id of message.finishedTaskIds) open.delete(id);
        }
        if (open.size === 0 || over.aborted) return;
        throw new SwarmError("UNAVAILABLE", "the node ended the stream early");
      } catch (error) {
        if (over.aborted) return;
        log.debug("Could not read logs from a node", { node: nodeId, error });
        if (!isTold) await queue.push([systemRecord([...open.values()], error)]);
        isTold = true;
        if (!request.follow) return;
        const isOver = store.view((tx) => [...open.keys()].every((id) => { const task = tx.get("task", id); return !task || isTerminal(stateOf(task)); }));
        if (isOver) return;
        await sleep(clock, retryMs, over).catch(() => {});
      }
    }
  }

  function systemRecord(group: readonly LoggedTask[], error: unknown): LogRecord {
    const names = group.length > 3 ? `${group.length} tasks` : group.map((logged) => `"${logged.name}"`).join(", ");
    const reason = error instanceof Error ? error.message : String(error);
    const { nodeName } = group[0]!;
    return {
      taskId: group[0]!.task.id, taskName: group[0]!.name, nodeName, stream: "SYSTEM", timestamp: new Date(clock.now()).toISOString(),
      line: Buffer.from(`Logs of ${names} on node "${nodeName}" are not complete: ${reason}`),
    };
  }

  // ---- what agents and managers call --------------------------------------------------------------------------------------

  async function publishLogs(messages: AsyncIterable<PublishLogsMessage>, context: CallContext) {
    const { caller } = context;
    if (caller.kind !== "node") throw new SwarmError("PERMISSION_DENIED", "Only a node may publish logs");
    let subscription: Subscription | undefined;
    try {
      for await (const message of messages) {
        const asked = subscriptions.get(message.subscriptionId);
        // Checked before it is taken: another node's attempt must not end the subscription for the one that was asked.
        if (!asked || asked.nodeId !== caller.nodeId) throw new SwarmError("NOT_FOUND", "Nobody asks for these logs any more");
        subscription = asked;
        subscription.answered();
        if (!await subscription.queue.push(message)) throw new SwarmError("CANCELLED", "Nobody asks for these logs any more");
      }
      subscription?.queue.close();
      return {};
    } catch (error) {
      subscription?.failed(error instanceof SwarmError ? error : new SwarmError("UNAVAILABLE", "the connection to the node broke", { cause: error }));
      throw error;
    }
  }

  async function* relayLogs(request: RelayLogsRequest, context: CallContext): AsyncGenerator<PublishLogsMessage> {
    if (context.caller.kind !== "node" || context.caller.role !== "MANAGER") throw new SwarmError("PERMISSION_DENIED", "Only a manager may relay logs");
    const session = options.session(request.nodeId);
    if (!session) throw new SwarmError("NOT_FOUND", "This manager holds no session of the node");
    yield* subscribeHere(session, request, context.signal);
  }

  return {
    logs,
    dispatcherHandlers: { PublishLogs: clientStream(authorize, publishLogs) },
    managersHandlers: { RelayLogs: serverStream(authorize, relayLogs) },
  };
}

/** A container of it may be there. */
const hasStarted = (task: Task): boolean => task.nodeId !== "" && taskStateOrder[stateOf(task)] >= taskStateOrder.STARTING;

/** The service that a followed request names; undefined when it names a task. */
function followedService(tx: ReadTx, ref: string, tasks: readonly LoggedTask[]): string | undefined {
  if (tasks.length === 1 && (tasks[0]!.task.id.startsWith(ref) || tasks[0]!.name === ref)) return undefined;
  const named = tx.get("service", ref) ?? tx.byName("service", ref)[0];
  if (named) return named.id;
  const serviceIds = new Set(tasks.map(({ task }) => task.serviceId));
  return serviceIds.size === 1 ? [...serviceIds][0] : undefined;
}

function named(tx: ReadTx, service: Service | undefined, task: Task): LoggedTask {
  return { task, name: taskName(service?.spec?.name ?? task.serviceId, task), nodeName: tx.get("node", task.nodeId)?.description?.hostname || task.nodeId };
}
