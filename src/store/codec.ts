import { SwarmError, assert } from "../lib/index.js";
import { codec } from "../rpc/index.js";
import type { StoreAction } from "../gen/swarm/v1/StoreAction.js";
import type { StoreSnapshotChunk } from "../gen/swarm/v1/StoreSnapshotChunk.js";
import type { StoreTransaction } from "../gen/swarm/v1/StoreTransaction.js";
import type { TableName, Tables } from "./api.js";
import { deepFreeze } from "./freeze.js";
import type { Write } from "./layer.js";
import { tableNames } from "./table.js";

/** Raft carries no larger entry: it would hold up heartbeats behind it. */
export const maxTransactionBytes = 4 * 1024 * 1024;

export interface StoredTransaction {
  readonly id: number;
  readonly after: number;
  readonly timestampMs: number;
  /** Objects come without meta. */
  readonly writes: readonly Write[];
}

const transactions = () => codec<StoreTransaction>("StoreTransaction");
const chunks = () => codec<StoreSnapshotChunk>("StoreSnapshotChunk");

export function encodeTransaction({ id, after, timestampMs, writes }: StoredTransaction): Uint8Array {
  const actions = writes.map((write) => write.object === undefined
    ? { kind: "DELETE", [write.table]: { id: write.id } }
    // The version is the raft index, unknown as yet, and the times are the transaction's: every replica fills in meta itself.
    : { kind: write.isCreation ? "CREATE" : "UPDATE", [write.table]: { ...write.object, meta: null } });
  const data = transactions().encode({ id, after, timestampMs, actions });
  if (data.byteLength > maxTransactionBytes) {
    throw new SwarmError("INVALID_ARGUMENT", `Cannot store a change of ${mebibytes(data.byteLength)} MiB in one transaction: the limit is ${mebibytes(maxTransactionBytes)} MiB; split it or make the objects smaller.`);
  }
  return data;
}

export function decodeTransaction(data: Uint8Array): StoredTransaction {
  const { id, after, timestampMs, actions } = transactions().decode(data);
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
  yield delimit(chunks().encode({ ...header, objects: [] }));
  let turnBegan = performance.now();
  for (const { table, rows } of tables) {
    for (let at = 0; at < rows.length; at += chunkObjects) {
      yield delimit(chunks().encode({ ...header, objects: rows.slice(at, at + chunkObjects).map((row) => ({ kind: "CREATE", [table]: row })) }));
      if (performance.now() - turnBegan > turnMs) { await nextTurn(); turnBegan = performance.now(); }
    }
  }
}

/** Reads what encodeSnapshot wrote, however it was cut up on its way. `take` gets every object, frozen. Throws DATA_LOSS on anything else. */
export async function decodeSnapshot(pieces: AsyncIterable<Uint8Array>, take: (table: TableName, object: Tables[TableName]) => void): Promise<SnapshotHeader> {
  let header: SnapshotHeader | undefined;
  let turnBegan = performance.now();
  for await (const bytes of undelimit(pieces)) {
    const { index, lastTransaction, objects } = chunks().decode(bytes);
    header = { index, lastTransaction };
    for (const action of objects) {
      const { table, object } = objectOf(action);
      take(table, object);
    }
    if (performance.now() - turnBegan > turnMs) { await nextTurn(); turnBegan = performance.now(); }
  }
  if (!header) throw new SwarmError("DATA_LOSS", "Cannot restore the cluster's state: the snapshot is empty.");
  return header;
}

function objectOf(action: StoreAction): { table: TableName; object: Tables[TableName] } {
  for (const table of tableNames) {
    const object = action[table];
    if (object) return { table, object: deepFreeze(object) };
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
