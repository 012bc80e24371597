// Options with their defaults filled in.
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

export function resolveOptions(options: RaftOptions & World): NodeConfig {
  if (!Number.isSafeInteger(options.id) || options.id <= 0 || options.id >= 2 ** 48) throw new RangeError(`Raft id ${options.id} is not a positive integer below 2^48`);
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
    segmentBytes: options.segmentBytes ?? 16 * mebibyte,
    log: options.log ?? (() => {}),
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
  for (const [name, min, max] of ranges) {
    const value = config[name];
    if (!Number.isInteger(value) || value < min || value > max) throw new RangeError(`Raft option "${name}" is ${value}: it must be an integer from ${min} to ${max}`);
  }
  // A follower must not miss its leader because of one lost heartbeat.
  if (config.electionTicks < config.heartbeatTicks * 2) throw new RangeError(`Raft option "electionTicks" is ${config.electionTicks}: it must be at least twice heartbeatTicks (${config.heartbeatTicks})`);
  return config;
}

const largest = 2 ** 31 - 1;
const ranges: readonly (readonly [Exclude<{ [K in keyof NodeConfig]: NodeConfig[K] extends number ? K : never }[keyof NodeConfig], undefined>, min: number, max: number])[] = [
  ["tickMs", 1, 60_000], ["electionTicks", 2, 10_000], ["heartbeatTicks", 1, 5_000], ["maxEntryBytes", 1, 256 * mebibyte], ["maxMessageBytes", 1, 64 * mebibyte],
  ["maxInflight", 1, 1_000_000], ["maxInflightBytes", 1, largest], ["maxUncommittedBytes", 1, largest], ["maxApplyBytes", 1, largest], ["promotionLag", 0, largest],
  ["snapshotEntries", 1, largest], ["trailingEntries", 0, largest], ["segmentBytes", 4096, largest],
];
