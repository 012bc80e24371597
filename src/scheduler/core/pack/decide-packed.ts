import { Placer } from "../place/index.js";
import { ClusterState, Turnover, maxFailures, noRules, type Predicate } from "../state/index.js";
import type { PackedDecision, PackedGroup, PackedPredicate } from "./pack-decision.js";

/** Node rows for the tasks, in order; those that fit nowhere (nowhere) come last. */
export function decidePacked(packed: PackedDecision): Int32Array {
  const state = new ClusterState();
  const { g, tasks } = unpack(state, packed);
  new Placer(state, { defaultStrategy: packed.defaultStrategy, nowMs: () => packed.nowMs }).place(g, tasks);
  return tasks.map((t) => state.tasks.nodeOf(t));
}

/** Columns and counts are taken as they are, last: what tasks hold is in them already. */
function unpack(state: ClusterState, packed: PackedDecision): { readonly g: number; readonly tasks: Int32Array } {
  const { nodes } = state;
  for (const name of packed.dimensions) state.dimensions.rowOf(name);
  for (const model of packed.gpuModels) state.gpuModels.rowOf(model);
  for (let n = 0; n < packed.nodes.size; n++) nodes.add(String(n), "", packed.dimensions.length);
  state.requests.ensureDimensions(packed.dimensions.length);
  const classes = packed.classes.map(({ predicates, words }) => {
    const c = state.predicates.classOf(predicates.map(settled), []);
    state.predicates.eligible[c]!.words = words;
    return c;
  });
  for (const { key, values, valueOf } of packed.attributes) {
    const column = state.attribute(key);
    for (const value of values) column.values.rowOf(value);
    column.valueOf = valueOf;
  }
  const groups = packed.groups.map((group) => addGroup(state, group));
  for (const { group, nodes: rows, counts } of packed.placed) for (let i = 0; i < rows.length; i++) state.place(state.addNewTask(`placed ${group} ${i}`, groups[group]!, 0), rows[i]!, counts[i] === 1);
  const holders = state.addGroup("image holders", "image holders", { amounts: [], gpu: undefined, predicates: [], priority: 0, rules: { ...noRules, image: packed.groups[0]!.rules.image } });
  for (const n of packed.imageHolders) state.place(state.addNewTask(`image ${n}`, holders, 0), n);
  for (const { port, nodes: rows } of packed.ports) for (const n of rows) if (!state.ports.isTaken(port, n)) state.ports.change(port, n, 1);
  for (const n of packed.failing) for (let i = 0; i < maxFailures; i++) state.failures.note(n, packed.groups[0]!.key, packed.nowMs);
  state.softTaintedCount = packed.softTaintedCount;
  state.isUsageAware = packed.isUsageAware;
  state.turnover = Turnover.fixedAt(packed.turnover);
  const tasks = Int32Array.from({ length: packed.tasks }, (_, i) => state.addNewTask(`waiting ${i}`, groups[0]!, packed.nowMs));
  for (const { tasks: users, among, ...request } of packed.requests) {
    const r = state.requests.acquire({ ...request, eligibility: classes[among]! }, packed.dimensions.length);
    state.requests.setTasks(r, users);
  }
  const { size: _size, free, total, alive, ...columns } = packed.nodes;
  nodes.alive.words = alive;
  for (let d = 0; d < free.length; d++) { nodes.free[d] = free[d]!; nodes.total[d] = total[d]!; }
  Object.assign(nodes, columns);
  nodes.totalsVersion++;
  return { g: groups[0]!, tasks };
}

function addGroup(state: ClusterState, { key, serviceId, predicates, rules, ...spec }: PackedGroup): number {
  const preferences = rules.preferences.map(({ predicate, weight }) => ({ predicate: settled(predicate), weight }));
  const g = state.addGroup(key, serviceId, { ...spec, predicates: predicates.map(settled), rules: { ...rules, preferences } });
  state.holdGroup(g);
  return g;
}

/** Nodes do not change here: what they pass is known. */
const settled = ({ filter, key }: PackedPredicate): Predicate => ({ filter, key, test: () => false, refusal: () => "" });
