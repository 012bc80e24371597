import { SwarmError } from "../../lib/index.js";
import type { Task } from "../../model/index.js";
import type { Change, Commit, ReadTx } from "../../store/index.js";
import type { WatchEvent } from "../../gen/swarm/v1/WatchEvent.js";
import type { WatchRequest } from "../../gen/swarm/v1/WatchRequest.js";
import { matcher } from "./filters.js";
import type { ControlDependencies } from "./ports.js";
import { nameOf } from "./refs.js";
import { taskView } from "./task-view.js";

const kinds = ["task", "service", "node", "network", "volume"] as const;
type Kind = (typeof kinds)[number];
type WatchedChange = Extract<Change, { table: Kind }>;

/** Events that a slow reader may leave unread before its stream is ended. */
const maxWaiting = 50_000;

/** An empty event that says "ready", then every change in commit order until `signal`. */
export async function* watch({ store }: ControlDependencies, request: WatchRequest, signal: AbortSignal): AsyncGenerator<WatchEvent> {
  const isWanted = wantedChanges(request);
  const waiting: WatchEvent[] = [];
  let failure: SwarmError | undefined;
  let wake = () => {};
  const fail = (error: SwarmError) => { failure ??= error; wake(); };
  const stop = store.watch((commit) => {
    if (commit.changes.length === 0) return fail(new SwarmError("UNAVAILABLE", "Cannot watch on: this manager was given a new copy of the state; list again and watch again"));
    store.view((tx) => { for (const change of commit.changes) if (isWanted(change, tx)) waiting.push(eventOf(commit, change as WatchedChange, tx)); });
    if (waiting.length > maxWaiting) fail(new SwarmError("RESOURCE_EXHAUSTED", `Cannot watch on: ${waiting.length} changes wait to be read; list again and watch again, reading faster or watching less`));
    wake();
  });
  const onAbort = () => wake();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    yield { index: store.index, change: "CREATED", node: null, service: null, task: null, network: null, volume: null };
    for (;;) {
      for (const event of waiting.splice(0)) { if (signal.aborted) return; yield event; }
      if (failure) throw failure;
      if (signal.aborted) return;
      if (waiting.length === 0) await new Promise<void>((resolve) => { wake = resolve; });
    }
  } finally {
    stop();
    signal.removeEventListener("abort", onAbort);
  }
}

function wantedChanges({ kinds: wished, filters }: WatchRequest): (change: Change, tx: ReadTx) => boolean {
  for (const kind of wished) {
    if (!(kinds as readonly string[]).includes(kind)) throw new SwarmError("INVALID_ARGUMENT", `Cannot watch "${kind.slice(0, 60)}": the kinds are ${kinds.join(", ")}`);
  }
  const keep = matcher<{ change: WatchedChange; tx: ReadTx }>("change", filters, {
    id: (value) => ({ change }) => change.object.id === value,
    service: (value) => ({ change, tx }) => {
      if (change.table === "service") return change.object.id === value || nameOf.service(change.object) === value;
      if (change.table !== "task") return false;
      const { serviceId } = change.object as Task;
      return serviceId === value || tx.get("service", serviceId)?.spec?.name === value;
    },
  });
  const isKind = (change: Change): change is WatchedChange => (wished.length > 0 ? wished : kinds as readonly string[]).includes(change.table);
  return (change, tx) => isKind(change) && keep({ change, tx });
}

function eventOf({ index }: Commit, change: WatchedChange, tx: ReadTx): WatchEvent {
  const event: WatchEvent = { index, change: change.kind.toUpperCase() as WatchEvent["change"], node: null, service: null, task: null, network: null, volume: null };
  switch (change.table) {
    case "node": return { ...event, node: change.object };
    case "service": return { ...event, service: change.object };
    case "task": return { ...event, task: taskView(tx, change.object) };
    case "network": return { ...event, network: change.object };
    case "volume": return { ...event, volume: change.object };
  }
}
