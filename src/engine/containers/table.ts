import { KeyedLock, SwarmError, type Clock, type Logger, type Timer } from "../../lib/index.js";
import type { ContainerEvent, ContainerExit, Events, WaitCondition } from "../api/index.js";
import type { Metadata } from "../metadata.js";
import type { ContainerAccess } from "./ports.js";
import { completeRecord, isRestarting, type ContainerRecord } from "./record.js";

export interface Entry {
  record: ContainerRecord;
  readonly waiters: Set<Waiter>;
  prober: { stop(): void } | undefined;
  restartTimer: Timer | undefined;
  /** The end of its process is being dealt with; until then nobody is told of it. */
  ending: Promise<void> | undefined;
  /** Someone restarts it: its end calls for neither its policy nor its removal. */
  isBeingRestarted: boolean;
}

interface Waiter { readonly condition: WaitCondition; resolve(exit: ContainerExit): void; reject(error: unknown): void }

export interface TableParts { readonly metadata: Metadata; readonly log: Logger; readonly events: Events; readonly clock: Clock }

/** The containers of this host by id and by name, who waits for them, and who is told. It decides nothing. */
export class ContainerTable implements ContainerAccess {
  #entries = new Map<string, Entry>();
  #ids = new Map<string, string>();        // by name
  #lock = new KeyedLock();
  #listeners = new Set<(event: ContainerEvent) => void>();

  constructor(private readonly parts: TableParts) {}

  async load(): Promise<void> {
    for (const stored of await this.parts.metadata.containers()) {
      const record = completeRecord(stored);
      this.#entries.set(record.config.id, entryOf(record));
      this.#ids.set(record.config.name, record.config.id);
    }
  }

  /** ALREADY_EXISTS when its id or its name is taken. */
  add(record: ContainerRecord): Entry {
    const { id, name } = record.config;
    if (this.#entries.has(id)) throw new SwarmError("ALREADY_EXISTS", `Cannot create container "${name}": a container with its id is there already; remove that one first`);
    this.#refuseTakenName(name);
    const entry = entryOf(record);
    this.#entries.set(id, entry);
    this.#ids.set(name, id);
    return entry;
  }

  async rename(entry: Entry, name: string): Promise<void> {
    const { config } = entry.record;
    this.#refuseTakenName(name);
    this.#ids.set(name, config.id);
    try { await this.save(entry, { config: { ...config, name } }); } catch (error) { entry.record = { ...entry.record, config }; this.#ids.delete(name); throw error; }
    this.#ids.delete(config.name);
  }

  async erase(entry: Entry): Promise<void> {
    const { id, name } = entry.record.config;
    await this.parts.metadata.removeContainer(id);
    this.#entries.delete(id);
    if (this.#ids.get(name) === id) this.#ids.delete(name);
  }

  get(id: string): Entry | undefined { return this.#entries.get(id); }
  entries(): Entry[] { return [...this.#entries.values()]; }
  /** Those that people may see. */
  visible(): Entry[] { return this.entries().filter((e) => e.record.phase !== "creating"); }

  need(id: string, verb: string): Entry {
    const entry = this.#entries.get(id);
    if (!entry || entry.record.phase === "creating") throw notFound(id, verb);
    return entry;
  }

  /** Docker's order: the whole id, the whole name, an id's beginning. */
  find(nameOrId: string): Entry {
    const isSeen = (entry: Entry | undefined): entry is Entry => entry !== undefined && entry.record.phase !== "creating";
    const whole = this.#entries.get(nameOrId);
    if (isSeen(whole)) return whole;
    const named = this.#entries.get(this.#ids.get(nameOrId.replace(/^\//, "")) ?? "");
    if (isSeen(named)) return named;
    const matching = nameOrId === "" ? [] : this.visible().filter((e) => e.record.config.id.startsWith(nameOrId));
    if (matching.length > 1) throw new SwarmError("INVALID_ARGUMENT", `Cannot find container "${nameOrId}": the ids of ${matching.length} containers begin with it; give more of the id, or the name`);
    if (matching.length === 0) throw new SwarmError("NOT_FOUND", `No such container: "${nameOrId}" is neither a name nor an id on this host`);
    return matching[0]!;
  }

  record(id: string): ContainerRecord | undefined { return this.#entries.get(id)?.record; }
  require(id: string, verb: string): ContainerRecord { return this.need(id, verb).record; }
  all(): ContainerRecord[] { return this.entries().map((e) => e.record); }
  exclusively<T>(id: string, work: () => Promise<T>): Promise<T> { return this.#lock.run(id, work); }
  /** What was begun on this container so far has ended. */
  settled(id: string): Promise<void> { return this.#lock.run(id, async () => {}); }
  idle(): Promise<void> { return this.#lock.idle(); }

  async save(entry: Entry, change: Partial<ContainerRecord>): Promise<void> {
    entry.record = { ...entry.record, ...change };
    await this.parts.metadata.putContainer(entry.record);
  }

  watch(listener: (event: ContainerEvent) => void, signal: AbortSignal): void {
    if (signal.aborted) return;
    this.#listeners.add(listener);
    signal.addEventListener("abort", () => this.#listeners.delete(listener), { once: true });
  }

  emit(event: ContainerEvent): void {
    for (const listener of [...this.#listeners]) {
      try { listener(event); } catch (error) { this.parts.log.error("a listener for container events failed", { event: event.kind, container: event.id, error }); }
    }
  }

  /** In Docker's words; its attributes are the labels, image and name. */
  publish(record: ContainerRecord, action: string, attributes: Readonly<Record<string, string>> = {}): void {
    const { id, labels, image, name } = record.config;
    this.parts.events.publish({ type: "container", action, actorId: id, attributes: { ...labels, image, name, ...attributes } });
  }

  /** Registered when this returns, before anything else happens. "not-running" of what does not run resolves at once; "next-exit" never does. */
  wait(entry: Entry, condition: WaitCondition, signal?: AbortSignal): Promise<ContainerExit> {
    const { phase, exit } = entry.record;
    const isOver = phase === "created" || ((phase === "exited" || phase === "removing") && entry.ending === undefined && !isRestarting(entry.record));
    if (condition === "not-running" && isOver) return Promise.resolve(exit ?? neverRan(entry.record));
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const forget = () => { signal?.removeEventListener("abort", onAbort); entry.waiters.delete(waiter); };
      const onAbort = () => { forget(); reject(signal!.reason); };
      const waiter: Waiter = { condition, resolve(value) { forget(); resolve(value); }, reject(error) { forget(); reject(error); } };
      entry.waiters.add(waiter);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  tell(entry: Entry, exit: ContainerExit, conditions: readonly WaitCondition[]): void {
    for (const waiter of [...entry.waiters]) if (conditions.includes(waiter.condition)) waiter.resolve(exit);
  }

  close(reason: SwarmError): void {
    for (const entry of this.#entries.values()) for (const waiter of [...entry.waiters]) waiter.reject(reason);
    this.#listeners.clear();
  }

  #refuseTakenName(name: string): void {
    const holder = this.#ids.get(name);
    if (holder !== undefined) throw new SwarmError("ALREADY_EXISTS", `Conflict. The container name "/${name}" is already in use by container "${holder}". You have to remove (or rename) that container to be able to reuse that name.`);
  }
}

/** What "wait" answers for a container that was never started, as Docker's. */
const neverRan = (record: ContainerRecord): ContainerExit => ({ exitCode: 0, isOomKilled: false, finishedAtMs: record.createdAtMs });

const entryOf = (record: ContainerRecord): Entry => ({ record, waiters: new Set(), prober: undefined, restartTimer: undefined, ending: undefined, isBeingRestarted: false });

export const notFound = (id: string, verb: string): SwarmError => new SwarmError("NOT_FOUND", `Cannot ${verb} container "${id}": no such container is on this host`);
