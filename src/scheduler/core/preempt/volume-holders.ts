import { groupPrefix, type TaskVolume } from "../../../model/index.js";
import { anywhere, nowhere, placeOfData, refusalOfVolume, writesTo, type ClusterState, type VolumeEntry } from "../state/index.js";

/** A volume that could be had once these have gone. */
interface Option { readonly entry: VolumeEntry; readonly holders: readonly number[] }

/** What a mount's source could mean: by the node of the data, and those that have none; those first for which the fewest and least important have to go. */
interface Options { readonly here: ReadonlyMap<number, readonly Option[]>; readonly loose: readonly Option[] }

/**
 * Who keeps group `g` from volumes of the cluster: tasks that have what can be had once only. They may be on other nodes than the one that it goes to. Found once for all
 * nodes; only those count who may be stopped and whose node is there to stop them: what a node writes that does not answer, nobody knows.
 */
export class VolumeHolders {
  /** Those who have to go, and are being stopped already. */
  readonly ending = new Set<number>();
  readonly #options = new Map<string, Options>();
  readonly #named: readonly string[];

  constructor(readonly state: ClusterState, readonly g: number, private readonly mayStop: Uint8Array) {
    const mounts = state.groups.rules[g]!.volumes;
    this.#named = [...new Set(mounts.map(({ source }) => source).filter((source) => !source.startsWith(groupPrefix)))];
    for (const { source, readOnly } of mounts) {
      const isNamed = !source.startsWith(groupPrefix);
      const key = keyOf(source, readOnly);
      if (!this.#options.has(key)) this.#options.set(key, this.#find(source, isNamed ? writesTo(mounts, source) : !readOnly));
    }
  }

  /** Who has to go so that one of `g` may have its volumes on node `n`, beside those who are being stopped; undefined: it may not have them there in any case. */
  on(n: number): readonly number[] | undefined {
    const taken = new Set<string>(), victims = new Set<number>(), seen = new Set<string>();
    for (const { source, readOnly } of this.state.groups.rules[this.g]!.volumes) {
      const isNamed = !source.startsWith(groupPrefix);
      if (isNamed && seen.has(source)) continue;
      seen.add(source);
      const options = this.#options.get(keyOf(source, readOnly))!;
      const option = this.#first(n, options, (id) => isNamed || (!taken.has(id) && !this.#named.includes(id)));
      if (!option) return undefined;
      taken.add(option.entry.id);
      for (const t of option.holders) if (this.state.tasks.countOf(t) === 1) victims.add(t);
    }
    return [...victims];
  }

  #first(n: number, { here, loose }: Options, isFree: (id: string) => boolean): Option | undefined {
    let best: Option | undefined;
    for (const options of [here.get(n) ?? none, loose]) {
      for (const option of options) {
        if (!isFree(option.entry.id) || !this.state.predicates.passesAll(option.entry.topology, n)) continue;
        if (!best || this.#compare(option, best) < 0) best = option;
        break;
      }
    }
    return best;
  }

  #find(source: string, writes: boolean): Options {
    const { state } = this;
    const here = new Map<number, Option[]>();
    const loose: Option[] = [];
    const found: Option[] = [];
    for (const id of state.volumes.candidates(source)) {
      const entry = state.volumes.get(id);
      const holders = entry && this.#holders(entry, writes);
      if (holders) found.push({ entry, holders });
    }
    for (const option of found.sort((a, b) => this.#compare(a, b))) {
      const place = placeOfData(state, option.entry);
      if (place === anywhere) loose.push(option);
      else if (here.has(place)) here.get(place)!.push(option);
      else here.set(place, [option]);
    }
    return { here, loose };
  }

  /** Who has to go, those included who are going; undefined: somebody who stays, or something else. */
  #holders(entry: VolumeEntry, writes: boolean): number[] | undefined {
    const { state } = this;
    // What no task can change about it comes first, whatever node is asked for.
    const refusal = refusalOfVolume(state, entry.id, writes, 0);
    if (refusal === "removed" || refusal === "read-only" || refusal === "inactive") return undefined;
    const sharing = entry.volume?.spec?.sharing;
    const onlyWriters = sharing === "SHARE_ONE_WRITER";
    if (onlyWriters ? !writes : sharing !== "SHARE_NONE") return [];
    const holders: number[] = [];
    for (const n of new Set([...entry.writers.keys(), ...(onlyWriters ? [] : entry.readers.keys())])) {
      for (let t = state.nodes.firstTask[n]!; t !== nowhere; t = state.tasks.nextOnNode(t)) {
        if (!has(state.volumes.heldBy(t), entry.id, onlyWriters)) continue;
        if (state.tasks.countOf(t) === 0) this.ending.add(t);
        else if (this.mayStop[state.tasks.groupOf(t)] === 0 || state.nodeObjects[n]?.status?.state !== "READY") return undefined;
        holders.push(t);
      }
    }
    return holders;
  }

  #compare(a: Option, b: Option): number {
    const { tasks, groups } = this.state;
    const wanted = ({ holders }: Option) => holders.filter((t) => tasks.countOf(t) === 1);
    const most = (option: Option) => wanted(option).reduce((highest, t) => Math.max(highest, groups.priority[tasks.groupOf(t)]!), -Infinity);
    const youngest = (option: Option) => wanted(option).reduce((latest, t) => Math.max(latest, tasks.sinceMs[t]!), -Infinity);
    return wanted(a).length - wanted(b).length || (most(a) > most(b) ? 1 : most(a) < most(b) ? -1 : youngest(b) > youngest(a) ? 1 : youngest(b) < youngest(a) ? -1 : 0);
  }
}

const keyOf = (source: string, readOnly: boolean): string => (source.startsWith(groupPrefix) && readOnly ? `r ${source}` : source);
const has = (held: readonly TaskVolume[], id: string, toWrite: boolean): boolean => held.some(({ volumeId, readOnly }) => volumeId === id && (!toWrite || !readOnly));
const none: readonly Option[] = [];
