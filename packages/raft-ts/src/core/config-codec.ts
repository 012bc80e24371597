// A configuration as bytes: the data of "config" entries, and a part of snapshot headers and log records. One list holds both halves of a joint configuration.
import type { Member } from "../api.js";
import { Reader, Writer } from "./bytes.js";
import type { Config } from "./types.js";

/** Bits of a member's flags byte. Without a joint configuration only the first is ever set beside properties, and older bytes have a 0 or 1 there. */
const learner = 1, outgoingVoter = 2, outgoingOnly = 4, hasPriority = 8, staysLearner = 16;

export function writeConfig(writer: Writer, config: Config): void {
  const leaving = config.outgoing.filter((old) => !config.members.some((m) => m.id === old.id));
  writer.int(config.members.length + leaving.length);
  for (const member of config.members) writeMember(writer, member, config.outgoing.some((old) => old.id === member.id) ? outgoingVoter : 0);
  for (const member of leaving) writeMember(writer, member, outgoingVoter | outgoingOnly);
  writer.int(config.removed.length);
  for (const id of config.removed) writer.int(id);
}

function writeMember(writer: Writer, member: Member, place: number): void {
  const { priority = 0 } = member;
  writer.int(member.id).byte(place | (member.isLearner ? learner : 0) | (priority > 0 ? hasPriority : 0) | (member.staysLearner ? staysLearner : 0)).bytes(member.context);
  if (priority > 0) writer.int(priority);
}

export function readConfig(reader: Reader): Config {
  const members: Member[] = [];
  const outgoing: Member[] = [];
  for (let left = reader.count(); left > 0; left--) {
    const id = reader.int();
    const flags = reader.byte();
    const context = reader.bytes().slice();
    const priority = flags & hasPriority ? reader.int() : 0;
    const member: Member = { id, isLearner: (flags & learner) !== 0, context, ...(priority > 0 && { priority }), ...((flags & staysLearner) !== 0 && { staysLearner: true }) };
    if (!(flags & outgoingOnly)) members.push(member);
    if (flags & outgoingVoter) outgoing.push(member.isLearner ? asVoter(member) : member);
  }
  outgoing.sort((a, b) => a.id - b.id);
  const removed = Array.from({ length: reader.count() }, () => reader.int());
  return { members, outgoing, removed };
}

/** As it was before it was demoted. */
function asVoter({ staysLearner: _, ...member }: Member): Member { return { ...member, isLearner: false }; }

/** The data of a "config" entry: the configuration, whole, as bytes of its own. Read back by `decodeConfig`. */
export function encodeConfig(config: Config): Uint8Array {
  const writer = new Writer();
  writeConfig(writer, config);
  return writer.finish().slice();
}

/** The configuration in the data of a "config" entry; copies out of `bytes`. Throws a RangeError when the bytes end early or hold what is no integer. */
export const decodeConfig = (bytes: Uint8Array): Config => readConfig(new Reader(bytes));
