// Messages as bytes. A byte for the type, then the fields in the order below as LEB128 integers and length-prefixed bytes; entries are copied
// as they are. Hand-written: three times as fast as reflection, and the log (wal/record.ts) uses the same entry format.
// Sender and receiver are not in it: the transport proves the one and chose the other.
import type { RaftId } from "./api.js";
import { Reader, Writer } from "./core/bytes.js";
import { readConfig, writeConfig } from "./core/config-codec.js";
import type { Entry, EntryKind, ForwardRefusal, Message, SnapshotMeta } from "./core/types.js";

/** The position is the number on the wire and on disk: only ever append. */
const entryKinds: readonly EntryKind[] = ["noop", "data", "config"];
const messageTypes: readonly Message["type"][] = [
  "vote", "vote-response", "append", "append-response", "append-reject", "heartbeat", "heartbeat-response", "snapshot", "timeout-now",
  "read", "read-response", "recover", "recover-response", "removed", "hello", "propose", "propose-response",
];
const forwardRefusals: readonly ForwardRefusal[] = ["none", "not-leader", "busy", "transferring"];

/** The first byte of what members send each other beside the core's messages (see membership.ts). */
export const firstForeignType = 64;

export function writeEntries(w: Writer, entries: readonly Entry[]): void {
  w.int(entries.length);
  if (entries.length === 0) return;
  w.int(entries[0]!.index);
  for (const entry of entries) w.int(entry.term).byte(entryKinds.indexOf(entry.kind)).bytes(entry.data);
}

export function readEntries(r: Reader): Entry[] {
  const count = r.count();
  if (count === 0) return [];
  const first = r.int();
  const entries: Entry[] = [];
  for (let i = 0; i < count; i++) {
    const term = r.int();
    const kind = entryKinds[r.byte()];
    if (!kind) throw new RangeError("Cannot decode: an entry of an unknown kind");
    entries.push({ index: first + i, term, kind, data: r.bytes() });
  }
  return entries;
}

export function writeSnapshotMeta(w: Writer, meta: SnapshotMeta): void { writeConfig(w.int(meta.index).int(meta.term), meta.config); }
export const readSnapshotMeta = (r: Reader): SnapshotMeta => ({ index: r.int(), term: r.int(), config: readConfig(r) });

export function encodeMessage(m: Message): Uint8Array {
  const size = m.type === "append" ? m.entries.reduce((sum, e) => sum + e.data.length + 16, 64) : m.type === "propose" ? m.data.length + 32 : 64;
  const w = new Writer(size).byte(messageTypes.indexOf(m.type)).int(m.term);
  switch (m.type) {
    case "vote": w.bool(m.isPre).int(m.lastIndex).int(m.lastTerm).bool(m.isTransfer).int(m.commit).int(m.commitTerm); break;
    case "vote-response": w.bool(m.isPre).bool(m.isGranted).int(m.commit).int(m.commitTerm); break;
    case "append": writeEntries(w.int(m.prevIndex).int(m.prevTerm).int(m.commit), m.entries); break;
    case "append-response": w.int(m.index); break;
    case "append-reject": w.int(m.index).int(m.hintIndex).int(m.hintTerm); break;
    case "heartbeat": w.int(m.commit).int(m.round); break;
    case "heartbeat-response": w.int(m.round).bool(m.isPromise); break;
    case "snapshot": writeSnapshotMeta(w, m.snapshot); break;
    case "read": w.int(m.id); break;
    case "read-response": w.int(m.id).int(m.index); break;
    case "recover": case "recover-response": w.int(m.lastIndex).int(m.nonce); break;
    case "propose": w.int(m.life).int(m.id).bytes(m.data); break;
    case "propose-response": w.int(m.life).int(m.id).bool(m.isAccepted).int(m.index).byte(forwardRefusals.indexOf(m.why)); break;
    case "hello": w.int(m.commit).int(m.commitTerm); break;
    case "timeout-now": case "removed": break;
  }
  return w.finish();
}

const appendType = messageTypes.indexOf("append"), proposeType = messageTypes.indexOf("propose");

/**
 * Whether an encoded message may arrive before larger ones that were sent earlier. A heartbeat must, or a large entry on a slow line costs an election. Entries must not: a follower
 * refuses an append whose predecessor is still on its way, and the leader would send both again. Proposals keep the order in which they were made.
 */
export function mayOvertake(bytes: Uint8Array): boolean { return bytes[0] !== appendType && bytes[0] !== proposeType; }

/**
 * Entries and proposals are views of `bytes`. Throws RangeError on anything that is not exactly one message: bytes behind its end mean that this is a mixture of two, of which a part
 * can look whole. So a field that is appended to a type breaks members of the present version; it needs a type of its own, or must be sent only where all members know it.
 */
export function decodeMessage(bytes: Uint8Array, from: RaftId, to: RaftId): Message {
  const r = new Reader(bytes);
  const message = readMessage(r, from, to);
  if (!r.isAtEnd) throw new RangeError(`Cannot decode: the bytes go on behind the end of a message of type "${message.type}"`);
  return message;
}

function readMessage(r: Reader, from: RaftId, to: RaftId): Message {
  const type = messageTypes[r.byte()];
  if (!type) throw new RangeError("Cannot decode: a message of an unknown type");
  const term = r.int();
  switch (type) {
    case "vote": return { from, to, term, type, isPre: r.bool(), lastIndex: r.int(), lastTerm: r.int(), isTransfer: r.bool(), ...readCommitNews(r) };
    case "vote-response": return { from, to, term, type, isPre: r.bool(), isGranted: r.bool(), ...readCommitNews(r) };
    case "append": {
      const message: Message = { from, to, term, type, prevIndex: r.int(), prevTerm: r.int(), commit: r.int(), entries: readEntries(r) };
      if (message.entries.length > 0 && message.entries[0]!.index !== message.prevIndex + 1) throw new RangeError("Cannot decode: the entries do not follow the previous one");
      return message;
    }
    case "append-response": return { from, to, term, type, index: r.int() };
    case "append-reject": return { from, to, term, type, index: r.int(), hintIndex: r.int(), hintTerm: r.int() };
    case "heartbeat": return { from, to, term, type, commit: r.int(), round: r.int() };
    // A member of an older version says nothing about it.
    case "heartbeat-response": return { from, to, term, type, round: r.int(), isPromise: !r.isAtEnd && r.bool() };
    case "snapshot": return { from, to, term, type, snapshot: readSnapshotMeta(r) };
    case "read": return { from, to, term, type, id: r.int() };
    case "read-response": return { from, to, term, type, id: r.int(), index: r.int() };
    case "recover": case "recover-response": return { from, to, term, type, lastIndex: r.int(), nonce: r.int() };
    case "propose": return { from, to, term, type, life: r.int(), id: r.int(), data: r.bytes() };
    case "propose-response": {
      const message = { from, to, term, type, life: r.int(), id: r.int(), isAccepted: r.bool(), index: r.int() };
      const why = forwardRefusals[r.byte()];
      if (!why) throw new RangeError("Cannot decode: an unknown reason of a refusal");
      return { ...message, why };
    }
    case "hello": return { from, to, term, type, ...readCommitNews(r) };
    case "timeout-now": case "removed": return { from, to, term, type };
  }
}

/** A member of an older version tells of none. */
const readCommitNews = (r: Reader): { commit: number; commitTerm: number } => r.isAtEnd ? { commit: 0, commitTerm: 0 } : { commit: r.int(), commitTerm: r.int() };
