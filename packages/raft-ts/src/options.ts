// Options, checked and with their defaults filled in. Whoever has a compiler to tell them what is wrong does not come here; for the others a mistake that went through
// would show up much later, as a member that never leads or a state machine that is never called.
import { inspect, types } from "node:util";
import type { RaftId, RaftOptions, TransportReceiver } from "./api.js";
import { nodeClock, nodeRandom, type Clock } from "./clock.js";
import type { Message } from "./core/types.js";
import type { Disk } from "./wal/disk.js";

export interface NodeConfig extends Required<Omit<RaftOptions, "sealer">>, Pick<RaftOptions, "sealer"> {
  /** Log bytes since the last snapshot at which the next is due: large entries must not fill the memory before there are enough of them. */
  readonly snapshotBytes: number;
  readonly trailingBytes: number;
  readonly disk?: Disk;
  readonly clock: Clock;
  readonly random: (bound: number) => number;
  readonly sendMessages?: World["sendMessages"];
}

/** What a simulation puts in the place of the machine. */
export interface World {
  readonly disk?: Disk;
  readonly clock?: Clock;
  /** An integer in [0, bound). */
  readonly random?: (bound: number) => number;
  /** Takes messages as they are, in the transport's place, to a `receiveMessage` in the same process. */
  readonly sendMessages?: (to: RaftId, messages: readonly Message[]) => void;
}

/** What a node gives to the transport, and to a simulation that moves messages without their bytes. */
export interface LocalReceiver extends TransportReceiver { receiveMessage(message: Message): void }

const mebibyte = 1024 * 1024;

/** Throws a TypeError or RangeError that says what, why and what to do, before anything is opened. */
export function resolveOptions(options: RaftOptions & World): NodeConfig {
  checkOptions(options);
  // Every field by name: an object that is spread into is a hash table to V8, and each look at it later, in every turn, is a search.
  const config: NodeConfig = {
    id: options.id,
    directory: options.directory,
    stateMachine: options.stateMachine,
    transport: options.transport,
    start: options.start,
    sealer: options.sealer,
    disk: options.disk,
    clock: options.clock ?? nodeClock,
    random: options.random ?? nodeRandom,
    sendMessages: options.sendMessages,
    tickMs: options.tickMs ?? 100,
    electionTicks: options.electionTicks ?? 8,
    heartbeatTicks: options.heartbeatTicks ?? 1,
    maxEntryBytes: options.maxEntryBytes ?? 4 * mebibyte,
    snapshotEntries: options.snapshotEntries ?? 10_000,
    trailingEntries: options.trailingEntries ?? 2_000,
    catchUpBytes: options.catchUpBytes ?? 64 * mebibyte,
    segmentBytes: options.segmentBytes ?? 16 * mebibyte,
    log: options.log ? harmless(options.log) : () => {},
    maxMessageBytes: options.maxMessageBytes ?? mebibyte,
    maxInflight: options.maxInflight ?? 256,
    maxInflightBytes: options.maxInflightBytes ?? 64 * mebibyte,
    maxUncommittedBytes: options.maxUncommittedBytes ?? 64 * mebibyte,
    maxApplyBytes: options.maxApplyBytes ?? mebibyte,
    promotionLag: options.promotionLag ?? 100,
    forwardProposals: options.forwardProposals ?? false,
    readMode: options.readMode ?? "safe",
    snapshotBytes: 64 * mebibyte,
    trailingBytes: 16 * mebibyte,
  };
  // A follower must not miss its leader because of one lost heartbeat.
  if (config.electionTicks < config.heartbeatTicks * 2)
    throw new RangeError(`Raft option "electionTicks" is ${config.electionTicks}: it must be at least twice heartbeatTicks (${config.heartbeatTicks})`);
  return config;
}

/** What the user's log throws, or the promise that it returns rejects with, must not end the node, nor the process: there is nobody left to tell. */
function harmless(log: NonNullable<RaftOptions["log"]>): NonNullable<RaftOptions["log"]> {
  return (level, message, fields) => {
    try {
      const returned: unknown = log(level, message, fields);
      if (returned instanceof Promise) returned.catch(() => {});
    } catch { /* see above */ }
  };
}

// ---- what is refused ----

interface Rule {
  /** A value of this type that is refused is a RangeError; any other, and where there is none, a TypeError. */
  readonly type?: "number" | "string";
  /** What the value must be and is not, as a clause; undefined: it is fit. */
  readonly misfit: (value: unknown) => string | undefined;
}

function checkOptions(options: RaftOptions & World): void {
  if (!isObject(options)) throw new TypeError(`Raft options are ${shown(options)}: they must be an object with at least ${required.join(", ")}`);
  for (const name of Object.keys(options)) if (!Object.hasOwn(rules, name) && !Object.hasOwn(worldNames, name)) throw new TypeError(`Raft option "${name}" is unknown: ${suggestion(name)}`);
  for (const name of Object.keys(rules) as (keyof RaftOptions)[]) {
    const value: unknown = options[name];
    if (value === undefined && !required.includes(name)) continue;
    const { type, misfit } = rules[name];
    const clause = misfit(value);
    if (clause === undefined) continue;
    const words = `Raft option "${name}" is ${value === undefined ? "missing" : shown(value)}: ${clause}${value === null && !required.includes(name) ? "; leave it out for the default" : ""}`;
    throw typeof value === type ? new RangeError(words) : new TypeError(words);
  }
}

const required: readonly (keyof RaftOptions)[] = ["id", "directory", "stateMachine", "transport", "start"];
const worldNames: Readonly<Record<keyof World, true>> = { disk: true, clock: true, random: true, sendMessages: true };

const largest = 2 ** 31 - 1;
const rules: { readonly [K in keyof RaftOptions]-?: Rule } = {
  id: integer(1, 2 ** 48 - 1, "; draw it at random and keep it"),
  directory: { type: "string", misfit: (value) => typeof value === "string" && value !== "" ? undefined : "it must be the path of the directory for this member's log" },
  stateMachine: functions("apply", "snapshot", "restore"),
  transport: functions("start", "send", "sendSnapshot", "setMembers", "close"),
  start: { misfit: misfitOfStart },
  tickMs: integer(1, 60_000),
  electionTicks: integer(2, 10_000),
  heartbeatTicks: integer(1, 5_000),
  maxEntryBytes: integer(1, 256 * mebibyte),
  maxMessageBytes: integer(1, 64 * mebibyte),
  maxInflight: integer(1, 1_000_000),
  maxInflightBytes: integer(1, largest),
  maxUncommittedBytes: integer(1, largest),
  maxApplyBytes: integer(1, largest),
  promotionLag: integer(0, largest),
  forwardProposals: { misfit: (value) => typeof value === "boolean" ? undefined : "it must be true or false" },
  readMode: { type: "string", misfit: (value) => value === "safe" || value === "lease" ? undefined : 'it must be "safe" or "lease"' },
  snapshotEntries: integer(1, largest),
  trailingEntries: integer(0, largest),
  catchUpBytes: integer(0, largest),
  segmentBytes: integer(4096, largest),
  sealer: functions("seal", "open"),
  log: { misfit: (value) => typeof value === "function" ? undefined : "it must be a function (level, message, fields)" },
};

function integer(min: number, max: number, more = ""): Rule {
  const isFit = (value: unknown): boolean => Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
  return { type: "number", misfit: (value) => isFit(value) ? undefined : `it must be an integer from ${min} to ${max}${more}` };
}

/** An object that has them, its own or its class's. */
function functions(...names: readonly string[]): Rule {
  return {
    misfit: (value) => {
      const missing = isObject(value) ? names.filter((name) => typeof value[name] !== "function") : names;
      if (missing.length === 0) return undefined;
      return isObject(value) ? `it has no function ${missing.join(", ")}, and needs ${names.join(", ")}` : `it must be an object with the functions ${names.join(", ")}`;
    },
  };
}

function misfitOfStart(value: unknown): string | undefined {
  const start = isObject(value) ? value : {};
  switch (start.kind) {
    case "join":
      return undefined;
    case "bootstrap":
      // Not instanceof: one of another realm (a test runner's sandbox) is as good.
      if (!types.isUint8Array(start.context)) return `its context is ${shown(start.context)} and must be a Uint8Array: what the others find this member by, such as its address`;
      if (start.priority === undefined || (Number.isSafeInteger(start.priority) && (start.priority as number) >= 0)) return undefined;
      return `its priority is ${shown(start.priority)} and must be an integer from 0`;
    case "recover":
      if (start.context === undefined || types.isUint8Array(start.context)) return undefined;
      return `its context is ${shown(start.context)} and must be a Uint8Array; leave it out to keep the one that the member has`;
    default:
      return `${isObject(value) ? `its kind is ${shown(start.kind)}; ` : ""}it must be { kind: "bootstrap", context } for the first member of a new group, `
        + `{ kind: "join" } for one that the leader adds, or { kind: "recover" } when a majority is lost for good`;
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null;

/** A plain value in a few characters. Of an object only that it is one: it may hold a key, or half the program. */
function shown(value: unknown): string {
  if (isObject(value)) return Array.isArray(value) ? "an array" : "an object";
  return typeof value === "function" ? "a function" : inspect(value, { maxStringLength: 40 });
}

function suggestion(name: string): string {
  const near = Object.keys(rules).map((known) => ({ known, distance: editDistance(name.toLowerCase(), known.toLowerCase()) }));
  const closest = near.sort((a, b) => a.distance - b.distance)[0]!;
  return closest.distance <= Math.max(2, name.length / 3) ? `did you mean "${closest.known}"?` : `there are ${Object.keys(rules).join(", ")}`;
}

/** Characters to insert, remove or replace on the way from `a` to `b` (Levenshtein). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
