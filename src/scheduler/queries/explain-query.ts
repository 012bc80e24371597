import { isTerminal, isWanted, stateOf, taskName, taskStateWord, type Service, type ServiceSpec, type Task } from "../../model/index.js";
import { SwarmError, type Clock } from "../../lib/index.js";
import type { ExplainResponse } from "../../gen/swarm/v1/ExplainResponse.js";
import { changeCommand, changeWords, explain, kept, refusalsOn, sentenceForNode, sentenceOf, type Cause, type Explanation, type Names, type WholeService } from "../core/explain/index.js";
import { amountText } from "../core/filters/index.js";
import { headroomOf, maxHeadroom } from "../core/what-if/index.js";
import { planGang, planPreemption } from "../core/preempt/index.js";
import { compileSpec, nowhere } from "../core/state/index.js";
import type { Store } from "../../store/index.js";
import { heldGroup, namesFrom, openFor, presentGroup, quotasIn, withCopy, withNames, type Copy, type Inspect } from "./live.js";

export interface ExplainQuery {
  readonly subject: ExplainSubject;
  /** Nodes named with each cause. */
  readonly names: number;
  /** Rows of the score table. */
  readonly candidates: number;
  readonly perNode: boolean;
}

export type ExplainSubject =
  | { readonly kind: "task"; readonly taskId: string }
  | { readonly kind: "service"; readonly serviceId: string }
  /** Never submitted. `service`: what it would be an update of. */
  | { readonly kind: "spec"; readonly spec: ServiceSpec; readonly serviceId: string; readonly service: Service | undefined };

interface Dependencies { readonly inspect: Inspect; readonly store: Store; readonly clock: Clock }

/** Rows looked at, or tasks placed, between two looks at the clock. */
const perSlice = 1_000;
const perNodeSlice = 100;
/** Tasks for which it is worked out at most who would make room: each reads the tasks of all nodes. */
const mostPreemptions = 100;

export function* explainQuery(dependencies: Dependencies, query: ExplainQuery): Generator<void, ExplainResponse> {
  const { inspect, store, clock } = dependencies;
  const { subject } = query;
  const taskIds = subject.kind === "spec" ? [] : store.view((tx) => tx.tasksOfService(subject.kind === "service" ? subject.serviceId : tx.get("task", subject.taskId)?.serviceId ?? "").map(({ id }) => id));
  return yield* withCopy(inspect, store, () => clock.now(), taskIds, function* (copy) {
    switch (subject.kind) {
      case "task": return withOwner(copy, yield* explainTask(copy, subject.taskId, query));
      case "service": return withOwner(copy, yield* explainService(copy, subject.serviceId, query));
      case "spec": return withOwner(copy, yield* explainSpec(copy, subject, query));
    }
  });
}

/** Where all nodes that are kept are kept for one other service it is named, as on tasks that wait. */
function withOwner({ state, store, reservations }: Copy, answer: ExplainResponse): ExplainResponse {
  const names = namesFrom(store);
  const [owner, ...others] = new Set(reservations.map(({ g }) => names.service(state.services.ids[state.groups.service[g]!]!)).filter((name) => name !== answer.serviceName));
  if (owner === undefined || others.length > 0) return answer;
  const named = (text: string) => text.replaceAll(kept.detail, kept.detail.replace("another service", `service ${owner}`));
  return {
    ...answer, headline: named(answer.headline), causes: answer.causes.map((cause) => ({ ...cause, detail: named(cause.detail) })),
    nodeRefusals: answer.nodeRefusals.map((node) => ({ ...node, details: node.details.map(named) })),
  };
}

// ---- a task ----

function* explainTask(copy: Copy, taskId: string, query: ExplainQuery): Generator<void, ExplainResponse> {
  const { state, store, rows } = copy;
  const { task, service } = store.view((tx) => { const found = tx.get("task", taskId); return { task: found, service: found && tx.get("service", found.serviceId) }; });
  if (!task) throw new SwarmError("NOT_FOUND", `Cannot explain task "${taskId}": it was removed meanwhile`);
  const serviceName = service?.spec?.name ?? task.serviceId;
  const name = taskName(serviceName, task);
  const subject = { serviceName, taskName: name, wanted: 1 };
  const t = rows.get(taskId);
  if (t === undefined) return { ...nothing, ...subject, fits: task.nodeId !== "", placed: task.nodeId === "" ? 0 : 1, headline: headlineOutside(name, task) };

  const g = state.tasks.groupOf(t);
  openFor(copy, g);
  const n = state.tasks.nodeOf(t);
  if (n !== nowhere) {
    // As it was when it was placed: without itself.
    state.unplace(t);
    const explanation = yield* explain(state, g, { candidates: query.candidates, including: n, suggests: false, rank: (group, limit, including) => copy.placer.rankSteps(group, limit, including) });
    const rank = explanation.candidates.find((candidate) => candidate.n === n)?.rank;
    const nodeName = state.nodes.names[n]!;
    const best = explanation.candidates[0];
    const where = `${name} ${isWanted(task) ? "is" : "is being stopped"} on ${nodeName}`;
    const why = rank === 1 ? explanation.fitting.length === 1 ? "the only node that fits" : `the best of ${counted(explanation.fitting.length, "node")} that ${explanation.fitting.length === 1 ? "fits" : "fit"}`
      : rank !== undefined ? `today ${state.nodes.names[best!.n]!} would come first and this node ${ordinal(rank)} of ${explanation.fitting.length} that fit`
        : `today it would not be placed there: ${refusalsOn(state, g, n).join("; ")}`;
    return {
      ...yield* responseOf(copy, g, explanation, query, n), ...subject, nodeName, fits: true, placed: 1, headline: sentence(withNames(`${where}: ${why}`, namesFrom(store))),
    };
  }
  const bound = task.nodeId === "" ? undefined : state.nodes.rowOf(task.nodeId) ?? nowhere;
  const quota = (yield* quotasIn(copy))?.refusals(state, g) ?? [];
  const gang = placeGang(copy, g);
  const explanation = yield* explain(state, g, {
    ...(bound === undefined ? {} : { nodes: bound === nowhere ? [] : [bound] }), quota, candidates: query.candidates, suggests: true, ...(bound === undefined ? wholeOf(copy, g) : {}), rank: (group, limit, including) => copy.placer.rankSteps(group, limit, including),
  });
  if (gang && !gang.isWhole) return { ...yield* responseOf(copy, g, ofGang(explanation, gang), query, undefined, quota), ...subject, fits: false, placed: 0, headline: sentence(withNames(`${name} waits: ${gangText(gang, explanation, quota)}`, namesFrom(store))) };
  const isFitting = (gang?.isWhole || explanation.fitting.length > 0) && quota.length === 0;
  const why = isFitting ? gang ? "the whole gang fits now, and is about to be placed" : `${counted(explanation.fitting.length, "node")} would take it now; it is about to be placed`
    : bound === undefined ? refusal(explanation, quota) : sentenceForNode(bound === nowhere ? task.nodeId : state.nodes.names[bound]!, explanation.reasons);
  return { ...yield* responseOf(copy, g, explanation, query, undefined, quota), ...subject, fits: false, placed: 0, headline: sentence(withNames(bound === undefined || isFitting ? `${name} waits: ${why}` : `${name} ${why}`, namesFrom(store))) };
}

/** Of tasks that the scheduler has nothing to do with now. */
function headlineOutside(name: string, task: Task): string {
  const present = stateOf(task);
  if (isTerminal(present)) return sentence(`${name} has ended (${taskStateWord(present)})${task.status?.err ? `: ${task.status.err}` : task.stopReason === "" ? "" : `: ${task.stopReason}`}`);
  if (!isWanted(task)) return sentence(`${name} is being stopped${task.stopReason === "" ? "" : `: ${task.stopReason}`}`);
  if (present === "NEW") return `${name} is new: it waits for its addresses and ports, and is placed after that.`;
  if (task.desiredState === "TASK_READY") return `${name} is held back until its restart delay is over or its predecessor has stopped, and is placed when it is to start.`;
  return `${name} is ${taskStateWord(present)}.`;
}

// ---- a service ----

function* explainService(copy: Copy, serviceId: string, query: ExplainQuery): Generator<void, ExplainResponse> {
  const { state, store, placer, rows } = copy;
  const { service, tasks } = store.view((tx) => ({ service: tx.get("service", serviceId), tasks: tx.tasksOfService(serviceId) }));
  if (!service?.spec) throw new SwarmError("NOT_FOUND", `Cannot explain service "${serviceId}": it was removed meanwhile`);
  const name = service.spec.name;
  const wanted = tasks.filter((task) => isWanted(task) && !isTerminal(stateOf(task)));
  const waitingTasks = wanted.filter(({ id }) => { const t = rows.get(id); return t !== undefined && state.tasks.nodeOf(t) === nowhere; });
  const placed = wanted.filter(({ id }) => { const t = rows.get(id); return t !== undefined && state.tasks.nodeOf(t) !== nowhere; }).length;
  const isGlobal = service.spec.mode === "GLOBAL";
  const total = isGlobal ? wanted.length : Math.max(service.spec.replicas, wanted.length);
  // Of an update that hangs, the tasks that wait say why.
  const first = waitingTasks[0];
  const g = first ? state.tasks.groupOf(rows.get(first.id)!) : presentGroup(state, service);
  openFor(copy, g);
  const quota = (yield* quotasIn(copy))?.refusals(state, g) ?? [];
  const gang = first ? placeGang(copy, g) : undefined;
  const boundRows = isGlobal ? waitingTasks.map(({ nodeId }) => state.nodes.rowOf(nodeId) ?? nowhere).filter((n) => n !== nowhere) : undefined;
  const explanation = yield* explain(state, g, {
    ...(boundRows && boundRows.length > 0 ? { nodes: boundRows } : {}), quota, candidates: query.candidates, suggests: true, ...(isGlobal ? {} : wholeOf(copy, g, waitingTasks.length === 0 ? 1 : 0)), rank: (group, limit, including) => placer.rankSteps(group, limit, including),
  });
  let headline: string;
  if (waitingTasks.length > 0) {
    const isFitting = (gang?.isWhole || explanation.fitting.length > 0) && quota.length === 0;
    headline = `${waitingTasks.length} of ${counted(total, "task")} of ${name} ${waitingTasks.length === 1 ? "waits" : "wait"}: ${gang && !gang.isWhole ? gangText(gang, explanation, quota) : isFitting ? gang ? "all of them fit now" : `${counted(explanation.fitting.length, "node")} would take one now` : refusal(explanation, quota)}`;
  } else if (isGlobal) {
    headline = `${name} has a task on ${counted(placed, "node")}, and none that waits; ${explanation.looked - placed} of ${counted(explanation.looked, "node")} are not for it`;
  } else {
    yield;
    const more = quota.length > 0 ? 0 : yield* headroomOf(state, placer, g);
    const room = more >= maxHeadroom ? `at least ${maxHeadroom.toLocaleString("en")} more would fit` : more > 0 ? `${more} more would fit` : `no more would fit: ${refusal(explanation, quota).replace(/^no node fits: /, "")}`;
    headline = placed >= total ? `every task of ${name} has a node (${placed} of ${total}); ${room}` : `${placed} of ${counted(total, "task")} of ${name} ${placed === 1 ? "has" : "have"} a node, and none waits for one; ${room}`;
  }
  return {
    ...yield* responseOf(copy, g, gang && !gang.isWhole ? ofGang(explanation, gang) : explanation, query, undefined, quota), serviceName: name, wanted: total, placed, fits: waitingTasks.length === 0, headline: sentence(withNames(headline, namesFrom(store))),
  };
}

// ---- a spec that was never submitted ----

function* explainSpec(copy: Copy, { spec, serviceId, service }: ExplainSubject & { kind: "spec" }, query: ExplainQuery): Generator<void, ExplainResponse> {
  const { state, placer, store } = copy;
  yield* state.predicates.prepareSteps(compileSpec(serviceId, spec).predicates, state.nodeObjects);
  const g = heldGroup(state, "a spec that was not submitted", serviceId, spec);
  openFor(copy, g);
  if (service && spec.update?.order !== "START_FIRST") {
    // Its present tasks stop before their successors start.
    const s = state.services.rowOf(serviceId)!;
    for (let t = state.firstOfService(s); t !== nowhere; ) { const next = state.nextOfService(t); state.unplace(t); t = next; }
    yield;
  }
  const isGlobal = spec.mode === "GLOBAL";
  const quotas = yield* quotasIn(copy);
  const candidates = yield* placer.rankSteps(g, query.candidates);
  yield;
  const placed: number[] = [];
  const open: number[] = [];
  let victims: readonly string[] = [];
  let wanted = spec.replicas;
  if (isGlobal) {
    const { predicates } = compileSpec(serviceId, spec);
    for (let n = 0; n < state.nodes.size; n++) {
      const node = state.nodeObjects[n];
      // A node that a constraint or its platform keeps out is not meant; one that is drained or full is, and waits.
      if (!node || predicates.some((predicate) => !predicate.test(node))) continue;
      const t = state.addNewTask(`${n}`, g, 0);
      if ((quotas?.room(state, g) ?? 1) > 0 && placer.placeOn(t, n)) { placed.push(t); quotas?.count(state, g, 1); }
      else open.push(n);
      if (n % perNodeSlice === 0) yield;
    }
    wanted = placed.length + open.length;
  } else {
    const most = Math.min(spec.replicas, quotas?.room(state, g) ?? spec.replicas);
    for (let at = 0; at < most; ) {
      const slice = Array.from({ length: Math.min(spec.gang ? most : perSlice, most - at) }, (_, i) => state.addNewTask(`${at + i}`, g, 0));
      const count = placer.place(g, slice);
      placed.push(...slice.slice(0, count));
      at += slice.length;
      yield;
      if (count < slice.length) break;
    }
    if (placed.length < most) victims = spec.gang ? placeGangByPreemption(copy, g, placed, most) : yield* placeByPreemption(copy, g, placed, most);
    for (let i = 0; i < placed.length; i++) quotas?.count(state, g, 1);
  }
  const isAll = placed.length >= wanted;
  const quota = isAll ? [] : quotas?.refusals(state, g) ?? [];
  // What keeps the next one out, beside those that are placed.
  const explanation = isAll ? undefined : yield* explain(state, g, { ...(isGlobal ? { nodes: open } : { whole: { placer, placed, wanted } }), quota, candidates: 0, suggests: true, rank: nobody });
  const spread = `${distribution(copy, placed)}${victims.length > 0 ? `, after stopping ${victimsText(victims, namesFrom(store))} of lower priority` : ""}`;
  const fittingTasks = placed.length;
  if (!isAll && spec.gang) for (const t of placed) state.unplace(t);
  const wholly = isAll ? `${counted(wanted, "task")} would be placed${wanted > 0 ? `: ${spread}` : ""}` : spec.gang ? `none of the gang's ${counted(wanted, "task")} would be placed, because only ${fittingTasks} fit: ${refusal(explanation!, quota)}`
    : `${fittingTasks} of ${counted(wanted, "task")} would be placed${fittingTasks > 0 ? ` (${spread})` : ""}, the next fits nowhere: ${refusal(explanation!, quota)}`;
  const found: Explanation = explanation ?? { looked: state.nodes.alive.count(), fitting: [], causes: [], patterns: [], reasons: [], alone: [], suggestions: [], candidates: [] };
  // Only here it has a name: it may be near itself, or keep away from itself.
  const known = namesFrom(store);
  const names: Names = { ...known, service: (id) => (id === serviceId ? spec.name : known.service(id)) };
  const present = !isAll && spec.gang ? ofGang(found, { wanted, fitting: fittingTasks, isWhole: false }) : found;
  return {
    ...yield* responseOf(copy, g, { ...present, candidates }, query, undefined, quota, names), serviceName: spec.name, wanted, placed: !isAll && spec.gang ? 0 : fittingTasks, fits: isAll, headline: sentence(withNames(wholly, names)),
  };
}

function* nobody(): Generator<void, []> { return []; }

// ---- gangs ----

interface Gang { readonly wanted: number; readonly fitting: number; readonly isWhole: boolean }

/** Places what waits of a gang on the copy, as many as fit: what keeps the next one out is asked after that. undefined: it is none. */
function placeGang({ state, placer, rows }: Copy, g: number): Gang | undefined {
  if (!state.groups.rules[g]!.isGang) return undefined;
  const waiting = [...rows.values()].filter((t) => state.tasks.groupOf(t) === g && state.tasks.nodeOf(t) === nowhere);
  const fitting = placer.place(g, waiting);
  return { wanted: waiting.length, fitting, isWhole: fitting === waiting.length };
}

const gangText = (gang: Gang, explanation: Explanation, quota: readonly string[]): string =>
  `the gang's ${counted(gang.wanted, "task")} are placed all at once, and only ${gang.fitting} fit: ${refusal(explanation, quota)}`;

/** What lets one more task fit lets the gang fit only if one was missing; a smaller gang always does. */
function ofGang(explanation: Explanation, { wanted, fitting }: Gang): Explanation {
  const smaller = fitting === 0 ? [] : [{ changes: [{ kind: "replicas", from: wanted, to: fitting } as const], nodes: [], tasks: fitting, cost: (wanted - fitting) / wanted }];
  return { ...explanation, fitting: [], suggestions: [...smaller, ...explanation.suggestions.filter(({ tasks }) => tasks !== undefined || wanted - fitting === 1)].sort((a, b) => a.cost - b.cost) };
}

/** The tasks of a stored service that have this revision: an update changes all of them. `more`: how many there might be besides. */
function wholeOf({ state, placer, rows }: Copy, g: number, more = 0): { readonly whole: WholeService } {
  const own = [...rows.values()].filter((t) => state.tasks.groupOf(t) === g && (state.tasks.nodeOf(t) === nowhere || state.tasks.countOf(t) === 1));
  return { whole: { placer, placed: own.filter((t) => state.tasks.nodeOf(t) !== nowhere), wanted: own.length + more } };
}

/** Makes room on the copy as the scheduler does, for as many as `most` in all: adds to `placed`, and returns who would have to go. */
function* placeByPreemption({ state, placer, store }: Copy, g: number, placed: number[], most: number): Generator<void, readonly string[]> {
  const victims: string[] = [];
  if (store.view((tx) => tx.list("cluster")[0]?.spec?.preemptionOff ?? false)) return victims;
  for (let i = 0; i < mostPreemptions && placed.length < most; i++) {
    const plan = planPreemption(state, g, { canFit: (group, n) => placer.canFit(group, n), claimed: () => 0 });
    // Nobody has to go: there will be room as soon as others, which are being stopped, have ended.
    if (!plan || plan.victims.length === 0) break;
    for (const t of plan.victims) { victims.push(state.tasks.ids[t]!); state.unplace(t); }
    const t = state.addNewTask(`in the place of ${i}`, g, 0);
    if (!placer.placeOn(t, plan.node)) break;
    placed.push(t);
    yield;
  }
  return victims;
}

/** The same for a gang, all of it or nothing. */
function placeGangByPreemption({ state, placer, store }: Copy, g: number, placed: number[], most: number): readonly string[] {
  if (store.view((tx) => tx.list("cluster")[0]?.spec?.preemptionOff ?? false)) return [];
  const fitting = placed.map((t) => ({ t, n: state.tasks.nodeOf(t) }));
  for (const t of placed) state.unplace(t);
  const members = [...placed, ...Array.from({ length: most - placed.length }, (_, i) => state.addNewTask(`in the place of ${i}`, g, 0))];
  const plan = planGang(state, g, members, { canFit: (group, n) => placer.canFit(group, n), place: (group, tasks) => placer.place(group, tasks) });
  if (!plan || plan.victims.length === 0) {
    for (const { t, n } of fitting) state.place(t, n);
    return [];
  }
  const gone = new Set(plan.victims);
  // What is being stopped there already will have ended by then.
  for (const n of plan.nodes.keys()) for (let t = state.nodes.firstTask[n]!; t !== nowhere; t = state.tasks.nextOnNode(t)) if (state.tasks.countOf(t) === 0) gone.add(t);
  for (const t of gone) state.unplace(t);
  placed.splice(0, placed.length, ...members.slice(0, placer.place(g, members)));
  return plan.victims.map((t) => state.tasks.ids[t]!);
}

function victimsText(taskIds: readonly string[], names: Names): string {
  const named = taskIds.slice(0, 5).map((id) => names.task(id)).sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const others = taskIds.length - named.length;
  return others > 0 ? `${named.join(", ")} and ${counted(others, "other task")}` : named.length > 1 ? `${named.slice(0, -1).join(", ")} and ${named.at(-1)}` : named[0]!;
}

/** "3 on n1, 2 on n2 and 4 on 4 other nodes" */
function distribution({ state }: Copy, placed: readonly number[]): string {
  const counts = new Map<number, number>();
  for (const t of placed) counts.set(state.tasks.nodeOf(t), (counts.get(state.tasks.nodeOf(t)) ?? 0) + 1);
  const sorted = [...counts].sort(([n, a], [m, b]) => b - a || n - m);
  const named = sorted.slice(0, 4).map(([n, count]) => `${count} on ${state.nodes.names[n]}`);
  const others = sorted.slice(4);
  return [...named, ...(others.length > 0 ? [`${others.reduce((sum, [, count]) => sum + count, 0)} on ${others.length} other node${others.length === 1 ? "" : "s"}`] : [])].join(", ");
}

// ---- the answer ----

const nothing: ExplainResponse = {
  headline: "", fits: false, serviceName: "", taskName: "", nodeName: "", wanted: 0, placed: 0, nodes: 0, fitting: 0, causes: [], suggestions: [], candidates: [], nodeRefusals: [],
};

function* responseOf({ state, store }: Copy, g: number, explanation: Explanation, query: ExplainQuery, chosen?: number, quota: readonly string[] = [], names = namesFrom(store)): Generator<void, ExplainResponse> {
  const serviceId = state.services.ids[state.groups.service[g]!]!;
  const serviceName = store.view((tx) => tx.get("service", serviceId)) ? names.service(serviceId) : undefined;
  const named = (rows: readonly number[]) => rows.map((n) => state.nodes.names[n]!).sort().slice(0, query.names);
  const nodeRefusals: ExplainResponse["nodeRefusals"] = [];
  if (query.perNode) {
    const rows = [...new Set([...explanation.fitting, ...explanation.patterns.flatMap(({ nodes }) => nodes)])].sort((a, b) => (state.nodes.names[a]! < state.nodes.names[b]! ? -1 : 1));
    for (const [i, n] of rows.entries()) {
      nodeRefusals.push({ nodeId: state.nodes.ids[n]!, nodeName: state.nodes.names[n]!, details: [...quota, ...refusalsOn(state, g, n)].map((detail) => withNames(detail, names)) });
      if (i % perNodeSlice === perNodeSlice - 1) yield;
    }
  }
  return {
    ...nothing,
    nodes: explanation.looked, fitting: quota.length > 0 ? 0 : explanation.fitting.length,
    causes: [
      ...quota.map((detail) => ({ filter: "quota", detail, nodes: explanation.looked, alone: explanation.fitting.length, missing: "", nodeNames: [] })),
      ...explanation.causes.map((cause, i) => ({
        filter: cause.filter, detail: withNames(cause.detail, names), nodes: cause.nodes.length, alone: quota.length > 0 ? 0 : explanation.alone[i]!, missing: missingOf(cause), nodeNames: named(cause.nodes),
      })),
    ],
    suggestions: explanation.suggestions.map(({ changes, nodes, cost, tasks = 0 }) => ({
      condition: changes.map((change) => changeWords(change, names)).join(" and "), nodes: nodes.length, nodeNames: named(nodes), cost, tasks, kinds: changes.map(({ kind }) => kind),
      command: changes.length === 1 ? changeCommand(changes[0]!, names, serviceName) : "",
    })),
    candidates: explanation.candidates.map(({ n, total, terms, rank }) => ({ nodeId: state.nodes.ids[n]!, nodeName: state.nodes.names[n]!, rank, total, terms: terms.map(({ name, value }) => ({ name: withNames(name, names), value })), isChosen: n === chosen })),
    nodeRefusals,
  };

  function missingOf({ dimension, filter, needed, free }: Cause): string {
    if (needed === undefined || free === undefined) return "";
    return dimension === undefined ? filter === "gpu" && !state.requests.isWholeGpus(state.groups.request[g]!) ? String((needed - free) / 1000) : String(needed - free) : amountText(state.dimensions.names[dimension]!, needed - Math.max(0, free));
  }
}

const refusal = ({ reasons }: Explanation, quota: readonly string[]): string => (quota.length > 0 ? quota.join("; ") : sentenceOf(reasons));

const counted = (count: number, word: string): string => `${count} ${word}${count === 1 ? "" : "s"}`;
const sentence = (text: string): string => (text.endsWith(".") ? text : `${text}.`);
const ordinal = (place: number): string => `${place}${place % 10 === 1 && place % 100 !== 11 ? "st" : place % 10 === 2 && place % 100 !== 12 ? "nd" : place % 10 === 3 && place % 100 !== 13 ? "rd" : "th"}`;
