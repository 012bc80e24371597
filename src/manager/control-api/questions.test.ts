import assert from "node:assert/strict";
import { silentLogger, systemClock } from "../../lib/index.js";
import { newCluster, newNode, newNodeDescription, newResources, newService, newServiceSpec, newTask, newTaskSpec, newContainerSpec, newTaskStatus, type ServiceSpec } from "../../model/index.js";
import { codec } from "../../rpc/index.js";
import { createTestStore } from "../../store/testing.js";
import type { ExplainRequest } from "../../gen/swarm/v1/ExplainRequest.js";
import type { WhatIfRequest } from "../../gen/swarm/v1/WhatIfRequest.js";
import { createControlApi, type QueryMethod, type SchedulerQueries } from "./index.js";

const signal = new AbortController().signal;
const app = (fields: Partial<ServiceSpec> = {}): ServiceSpec => newServiceSpec({ name: "app", task: newTaskSpec({ container: newContainerSpec({ image: "app" }) }), ...fields });

async function cluster() {
  const store = createTestStore();
  const asked: unknown[] = [];
  const note = (name: string) => (query: unknown) => { asked.push([name, query]); return Promise.resolve({} as never); };
  const scheduler = { explain: note("explain"), whatIf: note("whatIf"), hints: note("hints"), rebalance: () => Promise.reject(new Error("not here")) } satisfies SchedulerQueries;
  const api = createControlApi({
    store, clock: systemClock, log: silentLogger, scheduler, metrics: { text: () => "" }, newId: () => "new-id",
    members: { nodeId: "m1", leaderNodeId: "m1", list: () => [], remove: async () => {} }, logBroker: { logs: () => { throw new Error("not here"); } },
  });
  await store.update((tx) => {
    tx.create("cluster", newCluster({ id: "c" }));
    for (const [id, hostname] of [["node1", "h1"], ["node2", "h2"]] as const) tx.create("node", newNode({ id, description: newNodeDescription({ hostname }) }));
    tx.create("service", newService({ id: "s1", spec: app({ name: "web" }) }));
    tx.create("service", newService({ id: "s2", spec: app({ name: "probe", mode: "GLOBAL", replicas: 0 }) }));
    tx.create("task", newTask({ id: "t1", serviceId: "s1", slot: 1, status: newTaskStatus({ state: "PENDING" }) }));
    tx.create("node", newNode({ id: "node3", description: newNodeDescription({ hostname: "h3.example.org" }) }));
    for (const [id, nodeId] of [["p1", "node1"], ["p3", "node3"]] as const) tx.create("task", newTask({ id, serviceId: "s2", nodeId, status: newTaskStatus({ state: "RUNNING" }) }));
  });
  // Requests come through the codec, as gRPC's do.
  const ask = (method: QueryMethod, request: object) => {
    const through = codec<object>(`${method}Request`);
    return api.query(method, through.decode(through.encode(request)), signal);
  };
  return { ask, asked, api };
}

describe("control API: questions to the scheduler", () => {
  it("explain names a service or a task, and says when it is neither", async () => {
    const { ask, asked } = await cluster();
    await ask("Explain", { ref: "web" } satisfies Partial<ExplainRequest>);
    await ask("Explain", { ref: "web.1", names: 3, candidates: 7, perNode: true } satisfies Partial<ExplainRequest>);
    assert.deepEqual(asked, [
      ["explain", { subject: { kind: "service", serviceId: "s1" }, names: 10, candidates: 5, perNode: false }],
      ["explain", { subject: { kind: "task", taskId: "t1" }, names: 3, candidates: 7, perNode: true }],
    ]);
    await assert.rejects(ask("Explain", { ref: "nothing" }), { code: "NOT_FOUND", message: 'Cannot explain "nothing": there is no such service or task; "swarmctl service ls" lists the services' });
    await assert.rejects(ask("Explain", {}), { code: "INVALID_ARGUMENT" });
  });

  it("a global service's task is named by its node's id or host name, also one with dots", async () => {
    const { ask, asked } = await cluster();
    for (const ref of ["probe.node1", "probe.h1", "probe.h3.example.org"]) await ask("Explain", { ref });
    assert.deepEqual(asked.map((call) => (call as [string, { subject: object }])[1].subject), ["p1", "p1", "p3"].map((taskId) => ({ kind: "task", taskId })));
    await assert.rejects(ask("Explain", { ref: "probe.h2" }), { code: "NOT_FOUND" });
  });

  it("a spec that is not submitted is checked as if it were, and stored nowhere", async () => {
    const { ask, asked, api } = await cluster();
    await ask("Explain", { spec: app() });
    const [[, { subject }]] = asked as [[string, { subject: { kind: string; serviceId: string; service: unknown; spec: ServiceSpec } }]];
    assert.deepEqual([subject.kind, subject.serviceId, subject.service, subject.spec.name], ["spec", "new-id", undefined, "app"]);
    assert.equal((api.read("ListServices", { filters: [] }) as { services: unknown[] }).services.length, 2);
    await ask("Explain", { spec: app({ name: "web", replicas: 9 }), service: "web" });
    await assert.rejects(ask("Explain", { spec: app({ name: "web" }) }), { code: "ALREADY_EXISTS", message: /the name is taken/ });
    await assert.rejects(ask("Explain", { spec: app({ name: "other" }), service: "web" }), { code: "INVALID_ARGUMENT", message: /cannot be renamed/ });
    await assert.rejects(ask("Explain", { spec: app({ replicas: 5_000_000 }) }), { code: /INVALID_ARGUMENT|RESOURCE_EXHAUSTED/ });
    await assert.rejects(ask("Explain", { spec: app({ task: newTaskSpec({ container: newContainerSpec({ image: "app" }), reservations: newResources({ cpuMillis: -1 }) }) }) }), { code: "INVALID_ARGUMENT" });
  });

  it("what-if resolves nodes and services, and refuses what cannot be", async () => {
    const { ask, asked } = await cluster();
    await ask("WhatIf", { lose: ["h1", "node1"], drain: ["h1", "h2"], scale: [{ service: "web", replicas: 4 }] } satisfies Partial<WhatIfRequest>);
    assert.deepEqual(asked, [["whatIf", { lose: ["node1"], drain: ["node2"], add: [], scale: [{ serviceId: "s1", replicas: 4 }], headroomFor: ["s1"] }]]);
    for (const [request, message] of [
      [{}, /nothing is said to change/], [{ lose: ["h9"] }, /there is no such node/], [{ scale: [{ service: "probe", replicas: 2 }] }, /is global/], [{ scale: [{ service: "web", replicas: 2_000_000 }] }, /more than the limit/],
      [{ add: [{ count: 0, resources: newResources(), labels: {} }] }, /has the count 0/], [{ add: [{ count: 20_000, resources: newResources(), labels: {} }] }, /more than the limit of 10000/],
      [{ add: [{ count: 1, resources: newResources({ cpuMillis: -4 }), labels: {} }] }, /negative or too large/],
      [{ add: [{ count: 1, resources: newResources(), labels: { "": "x" } }] }, /no node can be added as it is described: a node label has no name/],
      [{ add: [{ count: 1, resources: newResources({ generic: [{ kind: "a b", count: 1, ids: [] }] }), labels: {} }] }, /"a b" is no kind of generic resource/],
      [{ add: [{ count: 1, resources: newResources({ generic: [{ kind: "a", count: 1, ids: ["x"] }] }), labels: {} }] }, /has names/],
      [{ add: [{ count: 1, resources: newResources({ generic: [{ kind: "a", count: 1, ids: [] }, { kind: "a", count: 2, ids: [] }] }), labels: {} }] }, /"a" is named twice/],
      [{ add: [{ count: 1, resources: newResources({ gpus: [{ id: "", model: "T4\n", memoryBytes: 0 }] }), labels: {} }] }, /is no model of a GPU/],
      [{ add: [{ count: 1, resources: newResources({ gpus: Array(32).fill({ id: "", model: "T4", memoryBytes: 0 }) }), labels: {} }] }, /32 GPUs are more than the limit of 31/],
      [{ scale: [{ service: "web", replicas: 3 }, { service: "s1", replicas: 4 }] }, /service "web" is scaled twice; give one number of replicas/], [{ scale: [{ service: "web", replicas: 10_001 }] }, /more than the limit of 10000 for one service/],
    ] as const) await assert.rejects(ask("WhatIf", request), { message });
  });

  it("hints are for one service or for all", async () => {
    const { ask, asked } = await cluster();
    await ask("ServiceHints", { service: "web" });
    await ask("ServiceHints", {});
    assert.deepEqual(asked, [["hints", ["s1"]], ["hints", ["s1", "s2"]]]);
  });
});
