// Messages, entries and writes in words: short, and the same every time.
import { decodeConfig } from "../src/core/config-codec.js";
import type { Config, Entry, ForwardResult, Message, SnapshotMeta, Write } from "../src/core/types.js";

export function describeConfig(config: Config): string {
  const voters = config.members.filter((m) => !m.isLearner).map((m) => m.id), learners = config.members.filter((m) => m.isLearner).map((m) => m.id);
  const outgoing = config.outgoing.map((m) => m.id), removed = config.removed;
  const list = (name: string, ids: readonly number[]) => (ids.length > 0 ? ` ${name} ${ids.join(",")}` : "");
  return `voters ${voters.join(",")}${list("learners", learners)}${list("outgoing", outgoing)}${list("removed", removed)}`;
}

/** What became of a proposal; an appended one in index and term. */
export function describeResult(result: ForwardResult): string {
  if (result.kind === "appended") return `appended at ${result.index}@${result.term}`;
  if (result.kind === "dropped") return "dropped";
  return `refused, ${result.why}${result.why === "quorum" ? `: without ${result.missing.join(", ")}` : result.why === "unfit" ? `: ${result.reason}` : ""}`;
}

/** "5@2 x": index, term, and what it holds. */
export function describeEntry(entry: Entry): string {
  const content = entry.kind === "data" ? `"${Buffer.from(entry.data).toString()}"` : entry.kind === "noop" ? "noop" : `(${describeConfig(decodeConfig(entry.data))})`;
  return `${entry.index}@${entry.term} ${content}`;
}

export const describeEntries = (entries: readonly Entry[]): string => entries.map(describeEntry).join(", ");
const describeSnapshot = (meta: SnapshotMeta): string => `${meta.index}@${meta.term} (${describeConfig(meta.config)})`;

export function describeMessage(m: Message): string {
  return `${m.from}>${m.to} ${m.type === "vote" && m.isPre ? "pre-vote" : m.type === "vote-response" && m.isPre ? "pre-vote-response" : m.type} term ${m.term}${contentOf(m)}`;
}

function contentOf(m: Message): string {
  switch (m.type) {
    case "vote": return ` last ${m.lastIndex}@${m.lastTerm} committed ${m.commit}@${m.commitTerm}${m.isTransfer ? " transfer" : ""}`;
    case "vote-response": return ` ${m.isGranted ? "granted" : "refused"} committed ${m.commit}@${m.commitTerm}`;
    case "append": return ` prev ${m.prevIndex}@${m.prevTerm}${m.entries.length > 0 ? ` [${describeEntries(m.entries)}]` : " []"} commit ${m.commit}`;
    case "append-response": return ` up to ${m.index}`;
    case "append-reject": return ` at ${m.index}, hint ${m.hintIndex}@${m.hintTerm}`;
    case "heartbeat": return ` commit ${m.commit} round ${m.round}`;
    case "heartbeat-response": return ` round ${m.round}${m.isPromise ? " promise" : ""}`;
    case "snapshot": return ` ${describeSnapshot(m.snapshot)}`;
    case "read": return ` read ${m.id}`;
    case "read-response": return ` read ${m.id} at ${m.index}`;
    case "recover": case "recover-response": return ` last ${m.lastIndex}`;
    case "propose": return ` ${m.id} "${Buffer.from(m.data).toString()}"`;
    case "propose-response": return ` ${m.id} ${m.isAccepted ? `at ${m.index}` : m.why}`;
    case "hello": return ` committed ${m.commit}@${m.commitTerm}`;
    case "timeout-now": case "removed": return "";
  }
}

/** undefined: it holds nothing but acknowledgements. */
export function describeWrite(write: Write): string | undefined {
  const parts = [
    ...(write.snapshot ? [`snapshot ${describeSnapshot(write.snapshot)}`] : []),
    ...(write.hardState ? [`term ${write.hardState.term} vote ${write.hardState.vote || "-"} commit ${write.hardState.commit}`] : []),
    ...(write.entries.length > 0 ? [`[${describeEntries(write.entries)}]`] : []),
    ...(write.recovering !== undefined ? [write.recovering ? "recovering" : "recovered"] : []),
  ];
  return parts.join(", ") || undefined;
}
