// A configuration as bytes: the data of "config" entries, and a part of snapshot headers and log records.
import { Reader, Writer } from "./bytes.js";
import type { Config } from "./types.js";

export function writeConfig(writer: Writer, config: Config): void {
  writer.int(config.members.length);
  for (const member of config.members) writer.int(member.id).bool(member.isLearner).bytes(member.context);
  writer.int(config.removed.length);
  for (const id of config.removed) writer.int(id);
}

export function readConfig(reader: Reader): Config {
  const members = Array.from({ length: reader.count() }, () => ({ id: reader.int(), isLearner: reader.bool(), context: reader.bytes().slice() }));
  const removed = Array.from({ length: reader.count() }, () => reader.int());
  return { members, removed };
}

export function encodeConfig(config: Config): Uint8Array {
  const writer = new Writer();
  writeConfig(writer, config);
  return writer.finish().slice();
}

export const decodeConfig = (bytes: Uint8Array): Config => readConfig(new Reader(bytes));
