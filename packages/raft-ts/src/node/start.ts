// The state that a node begins with, where what is on disk does not say it alone: the first member of a group, one that waits to be added, and the last one that is left of a lost group.
import { RaftError, type Member } from "../api.js";
import { decodeConfig, encodeConfig } from "../core/config-codec.js";
import { emptyConfig, everyone, isOnlyVoter } from "../core/config.js";
import type { Config, Entry, RestoredState } from "../core/types.js";
import type { NodeConfig } from "../options.js";
import type { Storage } from "../wal/storage.js";

export async function stateToStartWith(config: NodeConfig, storage: Storage, restored: RestoredState | undefined): Promise<RestoredState> {
  const hasState = restored !== undefined && (restored.hardState.term > 0 || restored.recovering || restored.applied > 0);
  if (config.start.kind !== "recover") return hasState ? restored : firstState(config, storage);
  if (!hasState) throw new RaftError("storage", `Cannot recover the group from "${config.directory}": it holds no Raft log; start the member that has one`);
  return recover(config, storage, restored);
}

/** A directory without state: the first member writes the entry that makes it one; any other waits for the leader to find it. */
async function firstState(config: NodeConfig, storage: Storage): Promise<RestoredState> {
  const empty: RestoredState = { hardState: { term: 0, vote: 0, commit: 0 }, config: emptyConfig, base: { index: 0, term: 0 }, entries: [], applied: 0, recovering: false };
  if (config.start.kind !== "bootstrap") return empty;
  const members: Member[] = [{ id: config.id, isLearner: false, context: config.start.context, ...(config.start.priority !== undefined && { priority: config.start.priority }) }];
  const entries: Entry[] = [{ index: 1, term: 1, kind: "config", data: encodeConfig({ ...emptyConfig, members }) }];
  const hardState = { term: 1, vote: 0, commit: 1 };
  await new Promise<void>((resolve) => { storage.write({ id: 0, hardState, entries, mustSync: true, messages: [] }, resolve); });
  return { ...empty, hardState, entries };
}

/**
 * The majority is gone for good: this member's log is taken for the group's, whatever of it was committed, and an entry at its end makes this member the only one. It has a term
 * of its own, and counts as committed with all before it. The others are noted as removed: should one of them call, it is told so, and never votes again.
 */
async function recover(config: NodeConfig, storage: Storage, restored: RestoredState): Promise<RestoredState> {
  const before = lastConfig(restored);
  const self = everyone(before).find(({ id }) => id === config.id);
  if (!self) throw new RaftError("removed", `Cannot recover the group from member ${config.id}: by its own log it is not a member; recover from another`);
  if (isOnlyVoter(before, config.id) && before.members.length === 1 && !restored.recovering) {
    config.log("info", `Member ${config.id} is alone in its group already: there is nothing to recover`);
    return restored;
  }
  const others = everyone(before).filter(({ id }) => id !== config.id).map(({ id }) => id);
  const after: Config = { ...emptyConfig, members: [{ ...self, isLearner: false, context: config.start.kind === "recover" ? config.start.context ?? self.context : self.context }], removed: [...before.removed, ...others] };
  const last = restored.entries.at(-1)?.index ?? restored.base.index;
  const term = restored.hardState.term + 1;
  const entry: Entry = { index: last + 1, term, kind: "config", data: encodeConfig(after) };
  const hardState = { term, vote: config.id, commit: entry.index };
  await new Promise<void>((resolve) => { storage.write({ id: 0, hardState, entries: [entry], mustSync: true, recovering: false, messages: [] }, resolve); });
  config.log("warn", `Member ${config.id} goes on as the only member of its group, with its log up to index ${last}. What the others acknowledged and this member never got is lost${restored.recovering ? ", and so is what was damaged on its own disk" : ""}; `
    + `entries that were never committed may take effect now. ${others.length === 0 ? "" : `Members ${others.join(", ")} are out: should they come back, they are told so and join anew under new ids. `}If they still run somewhere as a group, there are two groups now`);
  return { ...restored, hardState, entries: [...restored.entries, entry], recovering: false };
}

/** By the whole log, committed or not: as far as this member knows. */
function lastConfig({ config, entries }: RestoredState): Config {
  const last = entries.findLast((entry) => entry.kind === "config");
  return last ? decodeConfig(last.data) : config;
}
