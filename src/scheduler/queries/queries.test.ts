import assert from "node:assert/strict";
import { systemClock } from "../../lib/index.js";
import { newCluster, newClusterSpec, newRevision, newService, newTask, newTaskStatus, revisionId, type ClusterSpec, type ServiceSpec } from "../../model/index.js";
import { createTestStore } from "../../store/testing.js";
import { explainRefusals, sentenceOf } from "../core/explain/index.js";
import type { Reservation } from "../core/queue/index.js";
import { ClusterState, audit, compileSpec } from "../core/state/index.js";
import { nodeOf, specOf, type NodeWords, type SpecWords } from "../testing.js";
import { createSchedulerQueries, type ExplainSubject } from "./index.js";

interface Given {
  readonly nodes: Readonly<Record<string, NodeWords>>;
  /** `on`: the nodes of its tasks; "" = waits. */
  readonly services: Readonly<Record<string, SpecWords & { readonly on: readonly string[]; readonly global?: boolean }>>;
  readonly cluster?: Partial<ClusterSpec>;
  /** Nodes that are kept, and for which service. */
  readonly kept?: Readonly<Record<string, string>>;
}

/** Ids of 25 letters, as the store's are: services are told by their names. */
const idOf = (name: string): string => name.padEnd(25, "0");

async function cluster({ nodes, services, cluster: spec, kept = {} }: Given) {
  const store = createTestStore();
  const state = new ClusterState();
  await store.update((tx) => {
    tx.create("cluster", newCluster({ id: "c", spec: newClusterSpec(spec) }));
    for (const [id, words] of Object.entries(nodes)) { const node = nodeOf(id, words); tx.create("node", node); state.setNode(node); }
    for (const [name, { on, global: isGlobal = false, ...words }] of Object.entries(services)) {
      const id = idOf(name);
      const service: ServiceSpec = { ...specOf({ name, replicas: on.length, ...words }), mode: isGlobal ? "GLOBAL" : "REPLICATED" };
      tx.create("service", newService({ id, spec: service }));
      tx.create("revision", newRevision(id, 1, service));
      for (const [i, nodeId] of on.entries()) {
        const slot = isGlobal ? 0 : i + 1;
        const isWaiting = nodeId === "" || nodeId.startsWith("?");
        const task = newTask({
          id: idOf(`${name}t${i + 1}`), serviceId: id, revision: 1, slot, nodeId: nodeId.replace("?", ""), status: newTaskStatus({ state: isWaiting ? "PENDING" : "RUNNING" }),
        });
        tx.create("task", task);
        const t = state.addTask(task.id, state.groupOf(revisionId(id, 1), id, () => compileSpec(id, service)), i);
        if (!isWaiting) state.placeById(t, nodeId, true);
      }
    }
  });
  const reservations = Object.entries(kept).map(([nodeId, name]): Reservation => {
    const n = state.nodes.rowOf(nodeId)!, key = revisionId(idOf(name), 1), g = state.groups.rowOf(key)!;
    state.bar(n, true);
    return { n, g, key, priority: 0, reason: "room", tasks: 1, untilMs: Infinity };
  });
  const uses = new Map<string, { windowMs: number; cpuP95Millis: number; memoryPeakBytes: number }>();
  const queries = createSchedulerQueries({ store, clock: systemClock, inspect: (look) => look({ state, defaultStrategy: "SPREAD", reservations }), usage: { nodeCount: 1, task: (id) => uses.get(id) } });
  const before = state.copy();
  return {
    store, state,
    explain: async (subject: ExplainSubject, perNode = false) => {
      const answer = await queries.explain({ subject, names: 3, candidates: 2, perNode }, new AbortController().signal);
      assert.deepEqual(audit(state, before), [], "asking changes nothing");
      return answer;
    },
    queries, uses,
    task: (name: string): ExplainSubject => ({ kind: "task", taskId: idOf(name) }),
    service: (name: string): ExplainSubject => ({ kind: "service", serviceId: idOf(name) }),
    spec: (words: SpecWords, fields: Partial<ServiceSpec> = {}): ExplainSubject => ({ kind: "spec", spec: { ...specOf({ name: "new", ...words }), ...fields }, serviceId: idOf("new"), service: undefined }),
  };
}

describe("explaining", () => {
  it("a task that waits: the sentence, every cause with what is missing, and what would help", async () => {
    const { explain, task } = await cluster({
      nodes: { a: { memoryMiB: 700 }, b: { memoryMiB: 700, labels: { disk: "ssd" } }, c: { memoryMiB: 2048 }, d: { isDown: true } },
      services: { web: { on: [""], memoryMiB: 1024, constraints: ["node.labels.disk==ssd"] } },
    });
    const answer = await explain(task("webt1"), true);
    assert.equal(answer.headline, "web.1 waits: no node fits: constraint node.labels.disk==ssd not met (2 nodes); needs 1.0 GiB memory, most free is 700.0 MiB on b (1 node); node is down (1 node).");
    assert.deepEqual([answer.fits, answer.placed, answer.wanted, answer.nodes, answer.fitting], [false, 0, 1, 4, 0]);
    assert.deepEqual(answer.causes.map(({ detail, nodes, alone, missing, nodeNames }) => `${detail} | ${nodes} ${alone} | ${missing} | ${nodeNames.join(" ")}`), [
      "constraint node.labels.disk==ssd not met | 3 1 |  | a c d", "needs 1.0 GiB memory, most free is 700.0 MiB on a | 2 1 | 324.0 MiB | a b", "node is down | 1 0 |  | d",
    ]);
    assert.deepEqual(answer.suggestions.map(({ condition, nodeNames, command }) => `${nodeNames.join(" ")} if ${condition} | ${command}`), [
      "b if memory <= 700 MiB | swarmctl service update --reserve-memory 700m web",
      "c if constraint node.labels.disk==ssd is dropped | swarmctl service update --constraint-rm node.labels.disk==ssd web",
    ]);
    assert.deepEqual(answer.nodeRefusals.map(({ nodeName, details }) => `${nodeName}: ${details.join("; ")}`), [
      "a: constraint node.labels.disk==ssd not met; needs 1.0 GiB memory, 700.0 MiB free", "b: needs 1.0 GiB memory, 700.0 MiB free", "c: constraint node.labels.disk==ssd not met",
      "d: node is down; constraint node.labels.disk==ssd not met",
    ]);
  });

  it("the sentence is the one on the task, also where a node lacks several things", async () => {
    const { explain, service, state } = await cluster({ nodes: { a: { memoryMiB: 2048 }, b: { memoryMiB: 1024 } }, services: { web: { on: ["a", ""], memoryMiB: 1536, maxPerNode: 1 } } });
    const { headline } = await explain(service("web"));
    assert.equal(headline, `1 of 2 tasks of web waits: ${sentenceOf(explainRefusals(state, state.groups.rowOf(revisionId(idOf("web"), 1))!))}.`);
    assert.match(headline, /needs 1\.5 GiB memory, most free is 1\.0 GiB on b \(1 node\); node has its 1 task of this service already \(1 node\)/);
  });

  it("a task that has a node: its place among those that fit, with the scores", async () => {
    const { explain, task } = await cluster({ nodes: { a: {}, b: {}, c: { isDrained: true } }, services: { web: { on: ["a", "b"] }, db: { on: ["a", "a"] }, one: { on: ["c"] } } });
    const best = await explain(task("webt2"));
    assert.equal(best.headline, "web.2 is on b: the best of 2 nodes that fit.");
    assert.deepEqual(best.candidates.map(({ nodeName, rank, isChosen }) => `${rank} ${nodeName} ${isChosen}`), ["1 b true", "2 a false"]);
    assert.ok(best.candidates[0]!.terms.length > 0 && best.candidates[0]!.total > best.candidates[1]!.total);
    assert.equal((await explain(task("dbt1"))).headline, "db.1 is on a: today b would come first and this node 2nd of 2 that fit.");
    assert.equal((await explain(task("onet1"))).headline, "one.1 is on c: today it would not be placed there: node is drained.");
  });

  it("a task that the scheduler has nothing to do with yet, or any more", async () => {
    const { explain, store, task } = await cluster({ nodes: { a: {} }, services: { web: { on: [] } } });
    await store.update((tx) => {
      const make = (id: string, fields: Parameters<typeof newTask>[0]) => tx.create("task", newTask({ serviceId: idOf("web"), revision: 1, slot: 1, ...fields, id: idOf(id) }));
      make("new", { id: "", status: newTaskStatus({ state: "NEW" }) });
      make("held", { id: "", desiredState: "TASK_READY", status: newTaskStatus({ state: "PENDING" }) });
      make("failed", { id: "", desiredState: "SHUTDOWN", nodeId: "a", status: newTaskStatus({ state: "FAILED", err: "exit code 1" }) });
      make("stopping", { id: "", desiredState: "SHUTDOWN", stopReason: "node a is drained", status: newTaskStatus({ state: "RUNNING" }) });
    });
    assert.match((await explain(task("new"))).headline, /^web\.1 is new: it waits for its addresses/);
    assert.match((await explain(task("held"))).headline, /^web\.1 is held back until/);
    assert.equal((await explain(task("failed"))).headline, "web.1 has ended (failed): exit code 1.");
    assert.equal((await explain(task("stopping"))).headline, "web.1 is being stopped: node a is drained.");
    await assert.rejects(explain(task("gone")), { code: "NOT_FOUND" });
  });

  it("a task that names its node is told about that node", async () => {
    const { explain, task } = await cluster({ nodes: { a: { cpu: 1 }, b: {} }, services: { full: { on: ["a"], cpu: 1 }, probe: { on: ["?a", "b"], cpu: 0.5, global: true } } });
    const answer = await explain(task("probet1"));
    assert.equal(answer.headline, "probe.a waits for node a: needs 0.5 CPU, 0 free.");
    assert.equal(answer.nodes, 1);
    assert.deepEqual(answer.suggestions.map(({ condition }) => condition), ["full.1 moved (from a to b)"]);
  });

  it("a service: how many wait and why, or how many more would fit", async () => {
    const { explain, service } = await cluster({ nodes: { a: { cpu: 2 }, b: { cpu: 4 } }, services: { web: { on: ["a", "b"], cpu: 1 }, big: { on: ["", ""], cpu: 8 }, probe: { on: ["a", "b"], global: true } } });
    assert.equal((await explain(service("web"))).headline, "every task of web has a node (2 of 2); 4 more would fit.");
    const big = await explain(service("big"));
    assert.equal(big.headline, "2 of 2 tasks of big wait: no node fits: needs 8 CPU, most free is 3 on b (2 nodes).");
    assert.deepEqual([big.fits, big.wanted, big.placed], [false, 2, 0]);
    assert.match((await explain(service("probe"))).headline, /^probe has a task on 2 nodes/);
    const small = await cluster({ nodes: { a: {} }, services: { web: { on: ["a"] } } });
    assert.equal((await small.explain(small.service("web"))).headline, "every task of web has a node (1 of 1); at least 1,000 more would fit.");
  });

  it("a gang waits for room for all of it", async () => {
    const { explain, service, task } = await cluster({ nodes: { a: { cpu: 2 }, b: { cpu: 1 } }, services: { gang: { on: ["", "", "", ""], cpu: 1, gang: true }, pair: { on: ["", ""], cpu: 1, gang: true } } });
    const whole = "the gang's 4 tasks are placed all at once, and only 3 fit: no node fits: needs 1 CPU, most free is 0 on a (2 nodes).";
    assert.equal((await explain(service("gang"))).headline, `4 of 4 tasks of gang wait: ${whole}`);
    const { headline, fitting, suggestions } = await explain(task("gangt2"));
    assert.deepEqual([headline, fitting, suggestions[0]!.condition, suggestions[0]!.command], [`gang.2 waits: ${whole}`, 0, "replicas <= 3", "swarmctl service scale gang=3"]);
    assert.equal((await explain(task("pairt1"))).headline, "pair.1 waits: the whole gang fits now, and is about to be placed.");
  });

  it("other services are told by their names", async () => {
    const { explain, task } = await cluster({ nodes: { a: {} }, services: { db: { on: ["a"] }, web: { on: [""], affinities: [{ service: idOf("db"), anti: true, required: true, weight: 0, key: "" }] } } });
    const { headline, suggestions } = await explain(task("webt1"));
    assert.equal(headline, "web.1 waits: no node fits: keeps away from service db: node a has 1 task of it (1 node).");
    assert.deepEqual(suggestions.map(({ condition }) => condition), ["anti-affinity to service db is dropped"]);
  });

  it("also the one that a node is kept for", async () => {
    const { explain, service } = await cluster({ nodes: { a: { cpu: 2 }, b: { cpu: 1 } }, services: { large: { on: [""], cpu: 2 }, web: { on: [""], cpu: 2 } }, kept: { a: "large" } });
    const { headline, causes, nodeRefusals } = await explain(service("web"), true);
    assert.equal(headline, "1 of 1 task of web waits: no node fits: needs 2 CPU, most free is 1 on b (1 node); node is kept for service large, which waits for room (1 node).");
    assert.deepEqual(causes.map(({ detail }) => detail).sort(), ["needs 2 CPU, most free is 1 on b", "node is kept for service large, which waits for room"]);
    assert.deepEqual(nodeRefusals[0]!.details, ["node is kept for service large, which waits for room"]);
  });

  it("also in the score table, and a service that is not there yet by the name that it would have", async () => {
    const { explain, spec } = await cluster({ nodes: { a: { labels: { zone: "z" } } }, services: { db: { on: ["a"] } } });
    const near = (service: string, key: string, required = false) => ({ service: idOf(service), anti: required, required, weight: required ? 0 : 80, key });
    const { candidates } = await explain(spec({ affinities: [near("db", ""), near("db", "node.labels.zone")] }));
    assert.deepEqual(candidates[0]!.terms.map(({ name }) => name).filter((name) => name.startsWith("near")), ["near db", "near db by node.labels.zone"]);
    const { suggestions } = await explain(spec({ replicas: 2, affinities: [near("new", "", true)] }));
    assert.deepEqual(suggestions.map(({ condition }) => condition), ["anti-affinity to service new is dropped"]);
  });

  it("of a service that has all its tasks, what would let one more of them fit", async () => {
    const { explain, service } = await cluster({ nodes: { a: { cpu: 2 } }, services: { web: { on: ["a", "a"], cpu: 0.7 } } });
    const { headline, suggestions } = await explain(service("web"));
    assert.equal(headline, "every task of web has a node (2 of 2); no more would fit: needs 0.7 CPU, most free is 0.6 on a (1 node).");
    assert.deepEqual(suggestions.map(({ condition, tasks }) => [condition, tasks]), [["CPU <= 0.66", 3]]);
  });

  it("a quota that is used up is a cause of its own", async () => {
    const { explain, task } = await cluster({
      nodes: { a: { cpu: 8 } }, services: { web: { on: ["a", ""], cpu: 2, project: "team" } }, cluster: { quotas: [{ project: "team", limits: null, tasks: 1 }] },
    });
    const { headline, causes, suggestions } = await explain(task("webt2"));
    assert.equal(headline, "web.2 waits: project team has 1 of 1 tasks.");
    assert.deepEqual(causes.map(({ filter, nodes }) => `${filter} ${nodes}`), ["quota 1"]);
    assert.deepEqual(suggestions.map(({ condition }) => condition), ["the quota of project team allowed it (project team has 1 of 1 tasks)"]);
  });

  it("a spec that was never submitted: all of it, a part, a gang, a global one", async () => {
    const { explain, spec, state } = await cluster({ nodes: { a: { cpu: 2 }, b: { cpu: 1 }, c: { cpu: 4, isDrained: true } }, services: {} });
    const all = await explain(spec({ replicas: 3, cpu: 1 }));
    assert.deepEqual([all.headline, all.fits, all.placed, all.candidates.length], ["3 tasks would be placed: 2 on a, 1 on b.", true, 3, 2]);
    const some = await explain(spec({ replicas: 5, cpu: 1 }));
    assert.equal(some.headline, "3 of 5 tasks would be placed (2 on a, 1 on b), the next fits nowhere: no node fits: needs 1 CPU, most free is 0 on a (2 nodes); node is drained (1 node).");
    assert.deepEqual([some.fits, some.placed, some.suggestions.map(({ condition }) => condition)], [false, 3, ["node c is drained no longer", "CPU <= 0.5"]]);
    const large = await explain(spec({ cpu: 3 }));
    // There is no service that a command could change.
    assert.deepEqual(large.suggestions.map(({ condition, command }) => [condition, command]), [["node c is drained no longer", "swarmctl node update --availability active c"], ["CPU <= 2", ""]]);
    const gang = await explain(spec({ replicas: 5, cpu: 1, gang: true }));
    assert.match(gang.headline, /^none of the gang's 5 tasks would be placed, because only 3 fit: /);
    assert.deepEqual(gang.suggestions.map(({ condition }) => condition), ["replicas <= 3", "CPU <= 0.5"]);
    assert.deepEqual((await explain(spec({ replicas: 4, cpu: 1, gang: true }))).suggestions.map(({ condition }) => condition), ["replicas <= 3", "node c is drained no longer", "CPU <= 0.66"]);
    const everywhere = await explain(spec({ cpu: 2 }, { mode: "GLOBAL", replicas: 0 }));
    assert.deepEqual([everywhere.wanted, everywhere.placed, everywhere.fits], [2, 1, false]);
    assert.equal(state.groups.rowOf("a spec that was not submitted"), undefined);
  });

  it("a spec of higher priority: who would make room for it", async () => {
    const { explain, spec, store } = await cluster({ nodes: { a: { cpu: 2 }, b: { cpu: 1 } }, services: { low: { on: ["a", "a"], cpu: 1 }, mid: { on: ["b"], cpu: 1, priority: 50 } } });
    const two = await explain(spec({ replicas: 2, cpu: 1, priority: 20 }));
    assert.deepEqual([two.headline, two.fits], ["2 tasks would be placed: 2 on a, after stopping low.1 and low.2 of lower priority.", true]);
    const three = await explain(spec({ replicas: 3, cpu: 1, priority: 20 }));
    assert.deepEqual([three.fits, three.placed], [false, 2]);
    assert.match(three.headline, /^2 of 3 tasks would be placed \(2 on a, after stopping low\.1 and low\.2 of lower priority\), the next fits nowhere: /);
    assert.equal((await explain(spec({ cpu: 1 }))).fits, false);
    await store.update((tx) => tx.update("cluster", { ...tx.cluster(), spec: { ...tx.cluster().spec!, preemptionOff: true } }));
    assert.equal((await explain(spec({ cpu: 1, priority: 20 }))).fits, false);
  });

  it("a gang of higher priority: who would make room for all of it, or nobody", async () => {
    const { explain, spec } = await cluster({ nodes: { a: { cpu: 2 }, b: { cpu: 2 } }, services: { low: { on: ["a", "a"], cpu: 1 }, mid: { on: ["b"], cpu: 1, priority: 50 } } });
    const gang = (replicas: number) => spec({ replicas, cpu: 1, priority: 20, gang: true });
    const two = await explain(gang(2));
    assert.match(two.headline, /^2 tasks would be placed: 1 on (a|b), 1 on (a|b), after stopping low\.[12] of lower priority\.$/);
    const four = await explain(gang(4));
    assert.deepEqual([four.fits, four.placed], [false, 0]);
    assert.match(four.headline, /^none of the gang's 4 tasks would be placed, because only 1 fit: /);
  });

  it("an update: its present tasks make room first, unless the new ones start before", async () => {
    const { queries, store } = await cluster({ nodes: { a: { cpu: 4 } }, services: { web: { on: ["a", "a"], cpu: 1.5 } } });
    const service = store.view((tx) => tx.get("service", idOf("web")))!;
    const ask = (spec: ServiceSpec) => queries.explain({ subject: { kind: "spec", spec, serviceId: service.id, service }, names: 3, candidates: 2, perNode: false }, new AbortController().signal);
    const larger = specOf({ name: "web", replicas: 2, cpu: 2 });
    assert.equal((await ask(larger)).fits, true);
    assert.equal((await ask({ ...larger, update: { ...larger.update!, order: "START_FIRST" } })).placed, 0);
  });
});

describe("what if, asked of the scheduler", () => {
  it("names everything, and changes nothing", async () => {
    const { queries, state } = await cluster({ nodes: { a: { cpu: 2 }, b: { cpu: 2 } }, services: { web: { on: ["a", "b", ""], cpu: 2 }, probe: { on: ["a", "b"], global: true } } });
    const before = state.copy();
    const answer = await queries.whatIf({ lose: ["b"], drain: [], add: [{ count: 1, resources: nodeOf("x", { cpu: 2, memoryMiB: 64 }).description!.resources, labels: {} }], scale: [], headroomFor: [idOf("web")] }, new AbortController().signal);
    assert.deepEqual(audit(state, before), []);
    assert.deepEqual(answer.moves.map(({ taskName, fromNode, toNode }) => `${taskName} ${fromNode} ${toNode}`), ["web.2 b new-1"]);
    assert.deepEqual(answer.pending.map(({ serviceName, count, waited, reason }) => `${serviceName} ${count} ${waited} ${reason}`), ["web 1 1 no node fits: needs 2 CPU, most free is 0 on a (2 nodes)"]);
    assert.deepEqual(answer.ended.map(({ serviceName, count }) => `${serviceName} ${count}`), ["probe 1"]);
    assert.deepEqual(answer.started.map(({ serviceName, count }) => `${serviceName} ${count}`), ["probe 1"]);
    assert.deepEqual(answer.headroom, [{ serviceName: "web", before: 0, after: 0 }]);
    assert.deepEqual(answer.before.map(({ nodeName, tasks }) => `${nodeName} ${tasks}`), ["b 2", "new-1 0"]);
  });

  it("says who would be stopped for whom, and where what takes their place would go; nobody where the cluster does not preempt", async () => {
    const given = await cluster({ nodes: { a: { cpu: 2 }, b: { cpu: 2 }, c: { cpu: 1 } }, services: { high: { on: ["a"], cpu: 2, priority: 5 }, low: { on: ["b", "b"], cpu: 1 } } });
    const loseA = () => given.queries.whatIf({ lose: ["a"], drain: [], add: [], scale: [], headroomFor: [] }, new AbortController().signal);
    const answer = await loseA();
    assert.deepEqual(answer.moves.map(({ taskName, fromNode, toNode }) => `${taskName} ${fromNode} ${toNode}`), ["high.1 a b"]);
    assert.deepEqual(answer.preempted.map(({ taskName, node, toNode, byServiceName }) => `${taskName} ${node} ${toNode || "waits"} ${byServiceName}`).sort(), ["low.1 b waits high", "low.2 b c high"]);
    assert.deepEqual([answer.preemptedCount, answer.pending.map(({ serviceName, count, taskNames }) => `${serviceName} ${count} ${taskNames.join(" ")}`)], [2, ["low 1 low.1"]]);
    await given.store.update((tx) => tx.update("cluster", { ...tx.cluster(), spec: { ...tx.cluster().spec!, preemptionOff: true } }));
    const without = await loseA();
    assert.deepEqual([without.preemptedCount, without.moveCount, without.pending.map(({ serviceName, count }) => `${serviceName} ${count}`)], [0, 0, ["high 1"]]);
  });

  it("a copy that the live state has outlived is made again", async () => {
    const { store } = await cluster({ nodes: { a: {} }, services: {} });
    const states = [new ClusterState(), new ClusterState()];
    for (const [i, state] of states.entries()) for (let n = 0; n <= i; n++) state.setNode(nodeOf(`n${n}`, { cpu: 1 }));
    let looks = 0;
    const queries = createSchedulerQueries({ store, clock: systemClock, inspect: (look) => look({ state: states[Math.min(1, looks++)]!, defaultStrategy: "SPREAD", reservations: [] }), usage: { nodeCount: 0, task: () => undefined } });
    const answer = await queries.whatIf({ lose: [], drain: [], add: [], scale: [], headroomFor: [] }, new AbortController().signal);
    assert.deepEqual([looks, answer.totalAfter?.cpuPermille, answer.changedNodes], [4, 0, 0]);
  });

  it("questions that pile up are refused, and one that nobody waits for ends", async () => {
    const { queries, service } = await cluster({ nodes: { a: {} }, services: { web: { on: ["a"] } } });
    const query = { subject: service("web"), names: 1, candidates: 1, perNode: false };
    const signal = new AbortController().signal;
    const all = await Promise.allSettled(Array.from({ length: 20 }, () => queries.explain(query, signal)));
    assert.deepEqual(all.map(({ status }) => status).sort(), [...Array<string>(16).fill("fulfilled"), ...Array<string>(4).fill("rejected")]);
    await assert.rejects(queries.explain(query, AbortSignal.abort(new Error("gone"))), /gone/);
  });
});

describe("right-size hints", () => {
  const mib = 2 ** 20;
  it("tell first by whom most would be freed, and nothing of what was watched for too short a time", async () => {
    const { queries, uses } = await cluster({
      nodes: { a: { cpu: 16, memoryMiB: 16384 } },
      services: { large: { on: ["a", "a"], cpu: 2, memoryMiB: 1024 }, right: { on: ["a"], cpu: 0.5, memoryMiB: 128 }, young: { on: ["a"], cpu: 1 }, silent: { on: ["a"], cpu: 1 }, idle: { on: [""], cpu: 1 } },
    });
    const hour = 3_600_000;
    uses.set(idOf("larget1"), { windowMs: hour, cpuP95Millis: 300, memoryPeakBytes: 100 * mib });
    uses.set(idOf("larget2"), { windowMs: hour, cpuP95Millis: 200, memoryPeakBytes: 200 * mib });
    uses.set(idOf("rightt1"), { windowMs: hour, cpuP95Millis: 400, memoryPeakBytes: 100 * mib });
    uses.set(idOf("youngt1"), { windowMs: 120_000, cpuP95Millis: 1, memoryPeakBytes: 1 });
    const { hints, reportingNodes, nodes } = await queries.hints(["silent", "young", "right", "large", "idle"].map(idOf), new AbortController().signal);
    assert.deepEqual([reportingNodes, nodes], [1, 1]);
    assert.deepEqual(hints.map(({ serviceName, reportingTasks, tasks, advice, command }) => `${serviceName} ${reportingTasks}/${tasks} ${advice} | ${command}`), [
      "large 2/2 reserves 2 CPU and uses 0.3: 0.36 would do; reserves 1.0 GiB memory and uses 200.0 MiB: 240.0 MiB would do | swarmctl service update --reserve-cpu 0.36 --reserve-memory 240m large",
      "idle 0/0 no task of it runs | ", "right 1/1 about right | ", "silent 0/1 nothing is known of what its tasks use yet; agents report every half minute | ",
      "young 1/1 watched for 2 minutes only; a hint needs 10 minutes | ",
    ]);
  });
});
