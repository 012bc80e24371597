import { Bitset } from "./bitset.js";
import type { ChangeJournal } from "./change-journal.js";
import type { ClusterState } from "./cluster-state.js";
import { rowsPerStep } from "./columns.js";
import { copyEntry, copyMap } from "./map-copy.js";
import { RowsCopy } from "./rows-copy.js";

/** So few rows that changed are copied at once, in less than a millisecond. */
const heldRows = 1_000;
/** Where more changes in every round than that, the last round is not interrupted, however much it is. */
const mostRounds = 8;

/**
 * Copies what `state` holds in tables into `copy`, while `journal` notes what changes: everything once, then again what changed meanwhile, until it is so little that the
 * rest is done without a pause. Returns in that moment: the tables are those of one moment then.
 */
export function* copyTables(state: ClusterState, copy: ClusterState, journal: ChangeJournal, spare: ClusterState | undefined): Generator<void> {
  let nodeChanges = state.nodes.changes;
  copy.nodes = state.nodes.emptyCopy(spare?.nodes);
  yield;
  copy.tasks = state.tasks.emptyCopy(spare?.tasks);
  yield;
  copy.groups = state.groups.emptyCopy(spare?.groups);
  copy.services = state.services.emptyCopy(spare?.services);
  copy.requests = state.requests.emptyCopy(spare?.requests);
  const nodes = new RowsCopy(() => state.nodes, () => copy.nodes, copy.nodes !== spare?.nodes, () => copy.nodes.makeRoomFor(state.nodes));
  const devices = new RowsCopy(() => state.nodes.deviceRows, () => copy.nodes.deviceRows, true, () => copy.nodes.makeRoomFor(state.nodes));
  const tasks = new RowsCopy(() => state.tasks, () => copy.tasks, copy.tasks !== spare?.tasks, () => copy.tasks.makeRoomFor(state.tasks));
  const groups = new RowsCopy(() => state.groups, () => copy.groups, copy.groups !== spare?.groups, () => copy.groups.makeRoomFor(state.groups));
  const services = new RowsCopy(() => state.services, () => copy.services, copy.services !== spare?.services, () => copy.services.makeRoomFor(state.services));
  const requests = new RowsCopy(() => state.requests, () => copy.requests, copy.requests !== spare?.requests, () => copy.requests.makeRoomFor(state.requests));

  for (const table of [nodes, devices, tasks, groups, services, requests]) yield* table.all();
  yield* copyList(state.nodeObjects, copy.nodeObjects);
  yield* copyMap(state.assignedIds, copy.assignedIds);
  yield* state.predicates.copyTo(copy.predicates);
  yield* state.attributes.copyTo(copy.attributes);
  yield* state.ports.copyTo(copy.ports);
  yield* state.volumes.copyTo(copy.volumes);

  for (let round = 1; round < mostRounds && journal.size + state.nodes.changes - nodeChanges > heldRows; round++) yield* changed();
  for (const _ of changed());

  function* changed(): Generator<void> {
    const ofNodes = changedNodes();
    const rows = { tasks: journal.tasks.take(), groups: journal.groups.take(), services: journal.services.take(), requests: journal.requests.take(), described: journal.described.take() };
    const ports = [...journal.ports], volumes = [...journal.volumes];
    journal.ports.clear();
    journal.volumes.clear();
    yield* nodes.rows(ofNodes);
    yield* devices.rows(ofNodes.flatMap((n) => Array.from({ length: state.nodes.gpuCount[n]! }, (_, i) => state.nodes.gpuStart[n]! + i)));
    yield* tasks.rows(rows.tasks);
    yield* groups.rows(rows.groups);
    yield* services.rows(rows.services);
    yield* requests.rows(rows.requests);
    for (const n of ofNodes) copy.nodeObjects[n] = state.nodeObjects[n];
    for (const t of rows.tasks) copyEntry(state.assignedIds, copy.assignedIds, t);
    yield;
    yield* state.predicates.copyAgain(copy.predicates, rows.described);
    yield* state.attributes.copyAgain(copy.attributes, rows.described);
    for (const [port, users] of ports) for (const n of users) state.ports.copyUsers(copy.ports, port, n);
    yield* state.volumes.copyAgain(copy.volumes, volumes, rows.tasks);
  }

  /** Those in the log of changes, and those that were noted; all, where the log does not reach back so far. */
  function changedNodes(): number[] {
    const since = nodeChanges, seen = new Bitset(state.nodes.size), rows: number[] = [];
    nodeChanges = state.nodes.changes;
    const add = (n: number) => { if (!seen.has(n)) { seen.set(n, true); rows.push(n); } };
    for (const n of journal.nodes.take()) add(n);
    if (!state.nodes.changedSince(since, add)) for (let n = 0; n < state.nodes.size; n++) add(n);
    return rows;
  }
}

function* copyList<T>(from: readonly T[], to: T[]): Generator<void> {
  for (let i = 0; i < from.length; i++) {
    to[i] = from[i]!;
    if (i % (rowsPerStep * 10) === 0) yield;
  }
}
