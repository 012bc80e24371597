import { countAround, countOnNode, filters, isOwn, maxPerCause } from "../filters/index.js";
import type { ClusterState } from "../state/index.js";
import type { Cause, Causes, Pattern } from "./causes.js";
import { changeCost, roundedDown, type Change } from "./change.js";
import { singleMoves, twoMoves } from "./moves.js";
import { Trial } from "./trial.js";
import { volumeOptionsOn } from "./volume-change.js";

/** What would let one more task of the group be placed: all of `changes` together, and then on these nodes. */
export interface Suggestion {
  readonly changes: readonly Change[];
  /** Rows, ascending. */
  readonly nodes: readonly number[];
  /** More than 0: after it that many tasks of the service, all that are wanted, are placed, and not only one more. */
  readonly tasks?: number;
  readonly cost: number;
}

export const maxSuggestions = 6;
/** Of one kind, so that a hundred drained nodes do not hide that less memory would do. */
const maxOfKind = 2;
/** Nodes of one pattern that are looked at for the smallest pair of changes. */
const maxNodesForPairs = 64;

/**
 * The smallest changes after which one more task of group `g` fits, the smallest first (changeCost). Two changes together are looked for only where no single one helps, and
 * what gives up a reservation altogether only where those do not either. Every
 * one is tried on `state`, which must be a copy and is left as it was found (but for predicates that nobody asked for before).
 *
 * Where to look comes from `causes`: nodes that are refused by one cause alone want one change, and which amount is left there says how
 * large it must be.
 */
export function* smallestChanges(state: ClusterState, g: number, causes: Causes): Generator<void, Suggestion[]> {
  const trial = new Trial(state, g);
  const found: Suggestion[] = [];
  for (const pattern of causes.patterns) {
    if (pattern.causes.length !== 1) continue;
    const [cause] = pattern.causes;
    for (const change of singles(state, g, cause!, pattern.nodes)) {
      const nodes = trial.fittingAfter([change], nodesFor(change, pattern.nodes, state));
      if (nodes.length > 0) found.push({ changes: [change], nodes, cost: changeCost(change) });
      yield;
    }
  }
  found.push(...yield* singleMoves(trial, causes));
  if (found.length === 0) found.push(...yield* pairs(trial, causes), ...yield* twoMoves(trial, causes));
  if (found.length === 0) found.push(...yield* givingUp(trial, causes));
  return best(found);
}

/** Changes that remove `cause` from the nodes of a pattern or from the one of them that comes closest; where nodes differ, those that change least. */
function singles(state: ClusterState, g: number, cause: Cause, nodes: readonly number[]): Change[] {
  const cheapest = new Map<string, Change[]>();
  for (const n of nodes) {
    for (const change of optionsOn(state, g, cause, n)) {
      const known = cheapest.get(change.kind);
      if (!known) cheapest.set(change.kind, [change]);
      else if (known.some((other) => isSame(change, other))) continue;
      else if (change.kind === "activate") { if (known.length < maxOfKind) known.push(change); }
      else if (isLess(change, known[0]!)) cheapest.set(change.kind, [change]);
      else if (!isLess(known[0]!, change) && known.length < maxOfKind) known.push(change);
    }
  }
  return [...cheapest.values()].flat();
}

/** Of limits every number costs the same, and the smallest is enough. */
function isLess(a: Change, b: Change): boolean {
  if ((a.kind === "max-per" || a.kind === "max-per-node") && a.kind === b.kind) return a.to < b.to;
  return changeCost(a) < changeCost(b);
}

const isSame = (a: Change, b: Change): boolean => JSON.stringify(a) === JSON.stringify(b);
const nodesFor = (change: Change, nodes: readonly number[], state: ClusterState): readonly number[] =>
  (change.kind === "activate" ? nodes.filter((n) => state.nodes.ids[n] === change.nodeId) : nodes);

/** What removes `cause` from node `n`, each by itself. None: nothing that anybody could change. */
function optionsOn(state: ClusterState, g: number, cause: Cause, n: number): Change[] {
  const rules = state.groups.rules[g]!;
  const r = state.groups.request[g]!;
  const s = state.groups.service[g]!;
  switch (cause.filter) {
    case "resources": {
      const d = cause.dimension!;
      const dimension = state.dimensions.names[d]!;
      const to = roundedDown(dimension, state.nodes.free[d]![n]!);
      return to > 0 ? [{ kind: "amount", dimension, from: cause.needed!, to }] : [];
    }
    case "gpu": {
      const [refusal] = filters.find(({ name }) => name === "gpu")!.refusals(state, g, n);
      const to = refusal?.free ?? 0;
      const isShare = !state.requests.isWholeGpus(r);
      const less: Change[] = to > 0 ? [{ kind: isShare ? "gpu-share" : "gpu-count", from: refusal!.needed!, to }] : [];
      return [...less, ...anyModelOf(state, r)];
    }
    case "gpu-model": return anyModelOf(state, r);
    case "max-per-node": return [{ kind: "max-per-node", from: rules.maxPerNode, to: countOnNode(state, s, n) + 1 }];
    case "max-per": {
      const limit = rules.maxPer.find(({ key }) => maxPerCause(key) === cause.name);
      return limit ? [{ kind: "max-per", key: limit.key, from: limit.count, to: countAround(state, s, limit.key, n) + 1 }] : [];
    }
    case "host-port": return [{ kind: "port", port: cause.name.slice("port ".length) }];
    case "affinity": {
      return rules.affinities.flatMap((rule, index): Change[] => {
        const name = `${rule.isAnti ? "away from" : "near"} ${isOwn(state, g, rule) ? "this service" : `service ${rule.serviceId}`} by ${rule.key}`;
        return rule.isRequired && name === cause.name ? [{ kind: "affinity", index, isAnti: rule.isAnti, serviceId: rule.serviceId, key: rule.key }] : [];
      });
    }
    case "volume": return volumeOptionsOn(state, g, cause, n);
    case "ready": {
      const node = state.nodeObjects[n]!;
      const was = node.spec?.availability;
      return node.status?.state === "READY" && node.description && (was === "DRAIN" || was === "PAUSE") ? [{ kind: "activate", nodeId: node.id, nodeName: state.nodes.names[n]!, was }] : [];
    }
    case "taint": {
      const node = state.nodeObjects[n]!;
      const refused = node.spec!.taints.filter((taint) => !cause.predicate!.test({ ...node, spec: { ...node.spec!, taints: [taint] } }));
      // One key and value with two effects is one toleration.
      const isOne = refused.every(({ key, value }) => key === refused[0]!.key && value === refused[0]!.value);
      return refused.length > 0 && isOne ? [{ kind: "tolerate", predicate: cause.predicate!, taint: { key: refused[0]!.key, value: refused[0]!.value } }] : [];
    }
    default: return cause.predicate ? [{ kind: "predicate", predicate: cause.predicate }] : [];
  }
}

function anyModelOf({ requests, gpuModels }: ClusterState, r: number): Change[] {
  const set = requests.gpuModels[r]!;
  return set < 0 ? [] : [{ kind: "gpu-model", models: requests.modelSets[set]!.map((model) => gpuModels.names[model]!) }];
}

/** Two changes, for nodes that two causes refuse: of each pattern the cheapest pair. */
function* pairs(trial: Trial, causes: Causes): Generator<void, Suggestion[]> {
  const { state, g } = trial;
  const found: Suggestion[] = [];
  for (const pattern of causes.patterns) {
    if (pattern.causes.length !== 2) continue;
    const candidates: { changes: Change[]; cost: number }[] = [];
    for (const n of closest(state, pattern, maxNodesForPairs)) {
      const [first, second] = pattern.causes.map((cause) => optionsOn(state, g, cause, n));
      for (const a of first!) for (const b of second!) candidates.push({ changes: [a, b], cost: changeCost(a) + changeCost(b) });
    }
    candidates.sort((a, b) => a.cost - b.cost);
    for (const { changes, cost } of candidates.slice(0, maxOfKind)) {
      const nodes = trial.fittingAfter(changes, pattern.nodes);
      if (nodes.length > 0) { found.push({ changes, nodes, cost }); break; }
      yield;
    }
    yield;
  }
  return found;
}

/** Gives up one or two reservations of things that exist on no node at all, for nodes that lack nothing else. */
function* givingUp(trial: Trial, causes: Causes): Generator<void, Suggestion[]> {
  const found: Suggestion[] = [];
  for (const { causes: present, nodes } of causes.patterns) {
    if (present.length > 2 || !present.every(({ dimension, filter }) => dimension !== undefined || filter === "gpu" || filter === "gpu-model")) continue;
    const changes = present.map(({ dimension, needed }): Change => (dimension !== undefined ? { kind: "amount", dimension: trial.state.dimensions.names[dimension]!, from: needed!, to: 0 }
      : { kind: "gpu-count", from: trial.state.requests.gpuCount[trial.state.groups.request[trial.g]!]!, to: 0 }));
    const fitting = trial.fittingAfter(changes, nodes);
    if (fitting.length > 0) found.push({ changes, nodes: fitting, cost: changes.reduce((sum, change) => sum + changeCost(change), 0) });
    yield;
  }
  return found;
}

/** Of a pattern's nodes those with the most left of what is short. */
function closest(state: ClusterState, { causes, nodes }: Pattern, limit: number): readonly number[] {
  const short = causes.filter(({ dimension }) => dimension !== undefined);
  if (short.length === 0 || nodes.length <= limit) return nodes.slice(0, limit);
  const lack = (n: number) => short.reduce((sum, { dimension, needed }) => sum + (needed! - state.nodes.free[dimension!]![n]!) / needed!, 0);
  return [...nodes].sort((a, b) => lack(a) - lack(b)).slice(0, limit);
}

/** The same change for nodes that differ in what else there is about them is one suggestion. */
function merged(found: readonly Suggestion[]): Suggestion[] {
  const byChanges = new Map<string, Suggestion>();
  for (const suggestion of found) {
    const key = JSON.stringify(suggestion.changes);
    const known = byChanges.get(key);
    byChanges.set(key, known ? { ...known, nodes: [...new Set([...known.nodes, ...suggestion.nodes])].sort((a, b) => a - b) } : suggestion);
  }
  return [...byChanges.values()];
}

function best(found: readonly Suggestion[]): Suggestion[] {
  const ofKind = new Map<string, number>();
  return merged(found).sort((a, b) => a.cost - b.cost || b.nodes.length - a.nodes.length || a.nodes[0]! - b.nodes[0]!)
    .filter(({ changes }) => {
      const kind = changes.map((change) => change.kind).join("+");
      const count = (ofKind.get(kind) ?? 0) + 1;
      ofKind.set(kind, count);
      return count <= (kind === "predicate" ? maxSuggestions : maxOfKind);
    })
    .slice(0, maxSuggestions);
}

