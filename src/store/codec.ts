import { SwarmError, assert } from "../lib/index.js";
import { codec, type Codec } from "../rpc/index.js";
import type { StoreAction } from "../gen/swarm/v1/StoreAction.js";
import type { StoreSnapshotChunk } from "../gen/swarm/v1/StoreSnapshotChunk.js";
import type { StoreTransaction } from "../gen/swarm/v1/StoreTransaction.js";
import type { TableName } from "./api.js";
import type { Meta, OpenRow, Write } from "./pending.js";
import { tableNames, type Row } from "./table.js";

/** Raft carries no larger entry: it would hold up heartbeats behind it. */
export const maxTransactionBytes = 4 * 1024 * 1024;

export interface StoredTransaction {
  readonly id: number;
  readonly after: number;
  readonly timestampMs: number;
  readonly writes: readonly StoredWrite[];
}

/** Objects are canonical, and come without meta and open: whoever applies them adds it and freezes them. */
export type StoredWrite = Pick<Write, "table" | "id" | "object" | "isCreation">;

const lazily = <T>(make: () => T): (() => T) => { let made: T | undefined; return () => made ??= make(); };
const transactions = lazily(() => codec<StoreTransaction>("StoreTransaction"));
const chunks = lazily(() => codec<StoreSnapshotChunk>("StoreSnapshotChunk"));
const rowCodecs = lazily(() => Object.fromEntries(tableNames.map((name) => [name, codec<OpenRow>(messageNames[name])])) as { readonly [K in TableName]: Codec<OpenRow> });
const messageNames: { readonly [K in TableName]: string } = { cluster: "Cluster", node: "Node", service: "Service", revision: "Revision", task: "Task", network: "Network", volume: "Volume" };

/** The row that every replica will have, but for its meta. Parts that are those of `previous` stay the same objects. */
export function canonicalRow(table: TableName, object: object, previous: object | undefined): OpenRow {
  const row = rowCodecs()[table].normalize(object, previous, 1);
  row.meta = null;
  return row;
}

export function encodeTransaction({ id, after, timestampMs, writes }: StoredTransaction): Uint8Array {
  const actions = writes.map((write) => write.object === undefined
    ? { kind: "DELETE", [write.table]: { id: write.id } }
    // The version is the raft index, unknown as yet, and the times are the transaction's: every replica fills in meta itself.
    : { kind: write.isCreation ? "CREATE" : "UPDATE", [write.table]: write.object });
  const data = transactions().encodeCanonical({ id, after, timestampMs, actions });
  if (data.byteLength > maxTransactionBytes) {
    throw new SwarmError("INVALID_ARGUMENT", `Cannot store a change of ${mebibytes(data.byteLength)} MiB in one transaction: the limit is ${mebibytes(maxTransactionBytes)} MiB; split it or make the objects smaller.`);
  }
  return data;
}

/** Of a transaction and of a chunk: the message, the action in it, the object in that. */
const levelsToObjects = 3;

export function decodeTransaction(data: Uint8Array): StoredTransaction {
  const { id, after, timestampMs, actions } = transactions().decode(data, levelsToObjects);
  return {
    id, after, timestampMs,
    writes: actions.map((action) => {
      const { table, object } = objectOf(action);
      return { table, id: object.id, object: action.kind === "DELETE" ? undefined : object, isCreation: action.kind === "CREATE" };
    }),
  };
}

/** Objects per turn of the event loop are bounded by time: encoding a million tasks must not delay a heartbeat. */
const turnMs = 8;
const chunkObjects = 256;

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export interface SnapshotHeader { readonly index: number; readonly lastTransaction: number }

/** Length-delimited (4 bytes, big-endian) StoreSnapshotChunks. At least one, also of an empty store. */
export async function* encodeSnapshot(header: SnapshotHeader, tables: readonly { readonly table: TableName; readonly rows: readonly object[] }[]): AsyncGenerator<Uint8Array> {
  yield delimit(chunks().encodeCanonical({ ...header, objects: [] }));
  let turnBegan = performance.now();
  for (const { table, rows } of tables) {
    for (let at = 0; at < rows.length; at += chunkObjects) {
      yield delimit(chunks().encodeCanonical({ ...header, objects: rows.slice(at, at + chunkObjects).map((row) => ({ kind: "CREATE", [table]: row })) }));
      if (performance.now() - turnBegan > turnMs) { await nextTurn(); turnBegan = performance.now(); }
    }
  }
}

/** Reads what encodeSnapshot wrote, however it was cut up on its way. `take` gets every row. Throws DATA_LOSS on anything else. */
export async function decodeSnapshot(pieces: AsyncIterable<Uint8Array>, take: (table: TableName, row: Row) => void): Promise<SnapshotHeader> {
  let header: SnapshotHeader | undefined;
  let meta: Meta | undefined;
  let turnBegan = performance.now();
  for await (const bytes of undelimit(pieces)) {
    const { index, lastTransaction, objects } = chunks().decode(bytes, levelsToObjects);
    header = { index, lastTransaction };
    for (const action of objects) {
      const { table, object } = objectOf(action);
      // Rows of one transaction shared their meta where they were written, and do so here.
      if (meta && object.meta && isSameMeta(meta, object.meta)) object.meta = meta;
      else if (object.meta) meta = Object.freeze(object.meta);
      take(table, Object.freeze(object));
    }
    if (performance.now() - turnBegan > turnMs) { await nextTurn(); turnBegan = performance.now(); }
  }
  if (!header) throw new SwarmError("DATA_LOSS", "Cannot restore the cluster's state: the snapshot is empty.");
  return header;
}

const isSameMeta = (a: Meta, b: Meta): boolean => a.version === b.version && a.createdAtMs === b.createdAtMs && a.updatedAtMs === b.updatedAtMs;

function objectOf(action: StoreAction): { table: TableName; object: OpenRow } {
  for (const table of tableNames) {
    const object = action[table];
    if (object) return { table, object };
  }
  throw new SwarmError("DATA_LOSS", "Cannot read a stored change: it names no object that this version knows; upgrade this manager.");
}

function delimit(message: Uint8Array): Uint8Array {
  const framed = new Uint8Array(4 + message.byteLength);
  new DataView(framed.buffer).setUint32(0, message.byteLength);
  framed.set(message, 4);
  return framed;
}

async function* undelimit(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held: Buffer = Buffer.alloc(0);
  for await (const piece of pieces) {
    held = held.byteLength === 0 ? Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength) : Buffer.concat([held, piece]);
    while (held.byteLength >= 4 && held.byteLength >= 4 + held.readUInt32BE(0)) {
      const end = 4 + held.readUInt32BE(0);
      yield held.subarray(4, end);
      held = held.subarray(end);
    }
    assert(held.byteLength <= 2 ** 30, "a snapshot's messages are shorter than 1 GiB");
  }
  if (held.byteLength > 0) throw new SwarmError("DATA_LOSS", "Cannot restore the cluster's state: the snapshot ends in the middle of a message.");
}

const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);
