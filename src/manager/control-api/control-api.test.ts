import type { MethodDefinition } from "@grpc/proto-loader";
import type { ControlDefinition } from "../../gen/swarm/v1/Control.js";
import assert from "node:assert/strict";
import { silentLogger, systemClock, codeOf } from "../../lib/index.js";
import {
  newCluster, newContainerSpec, newEndpointSpec, newNetwork, newNetworkSpec, newNode, newNodeDescription, newNodeSpec, newPlacement, newPort, newServiceSpec, newTask,
  newTaskSpec, newTaskStatus, newClusterSpec, newResources, type Affinity, type Resources, type ServiceSpec,
} from "../../model/index.js";
import { waitFor } from "../../lib/testing.js";
import { codec } from "../../rpc/index.js";
import { createTestStore } from "../../store/testing.js";
import type { LogsRequest } from "../../gen/swarm/v1/LogsRequest.js";
import { createControlApi, maxSpecBytes, type LogBroker, type ManagerMember, type ReadMethod, type WriteMethod } from "./index.js";

const spec = (fields: Partial<ServiceSpec> & { image?: string; networks?: string[]; ports?: number[]; constraints?: string[]; portMode?: "HOST" | "INGRESS" } = {}): ServiceSpec => {
  const { image = "web:1", networks = [], ports = [], constraints = [], portMode = "INGRESS", ...rest } = fields;
  return newServiceSpec({
    name: "web",
    task: newTaskSpec({ container: newContainerSpec({ image }), networks: networks.map((target) => ({ target, aliases: [] })), placement: newPlacement({ constraints }) }),
    endpoint: newEndpointSpec({ ports: ports.map((publishedPort) => newPort({ targetPort: 80, publishedPort, mode: portMode })) }),
    ...rest,
  });
};

async function cluster() {
  const store = createTestStore();
  const members = { nodeId: "m1", leaderNodeId: "m1" as string | undefined, all: [] as ManagerMember[], removed: [] as string[], list() { return this.all; }, async remove(id: string) { this.removed.push(id); this.all = this.all.filter((m) => m.nodeId !== id); } };
  let next = 0;
  const asked: { request: LogsRequest; tasks: string[] }[] = [];
  const logBroker: LogBroker = {
    async *logs(request, tasks) {
      asked.push({ request, tasks: tasks.map(({ name }) => name) });
      for (const { task, name, nodeName } of tasks) yield { taskId: task.id, taskName: name, nodeName, stream: "STDOUT", timestamp: "", line: Buffer.from("hello") };
    },
  };
  const api = createControlApi({ store, clock: systemClock, log: silentLogger, members, logBroker, scheduler: { explain: () => Promise.reject(new Error("not here")), whatIf: () => Promise.reject(new Error("not here")), hints: () => Promise.reject(new Error("not here")), rebalance: () => Promise.reject(new Error("not here")) }, metrics: { text: () => "m 1\n" }, newId: () => `id${String(++next).padStart(3, "0")}` });
  await store.update((tx) => {
    tx.create("cluster", newCluster({ id: "c", rootCa: { certificatePem: "CERT", keyPem: "SECRET", digest: "ab".repeat(32) }, joinTokens: { worker: "w", manager: "m" } }));
    tx.create("network", newNetwork({ id: "ing", spec: newNetworkSpec({ name: "ingress", isIngress: true }) }));
    for (const [id, hostname, role] of [["m1", "h1", "MANAGER"], ["m2", "h2", "MANAGER"], ["m3", "h3", "MANAGER"], ["w1", "h4", "WORKER"]] as const) {
      tx.create("node", newNode({ id, role, spec: newNodeSpec({ desiredRole: role, labels: { rack: hostname } }), description: newNodeDescription({ hostname }), status: { state: "READY", message: "", addr: "198.18.0.1", sinceMs: 0 } }));
    }
  });
  members.all = ["m1", "m2", "m3"].map((nodeId, i) => ({ nodeId, raftId: i + 1, addr: `198.18.0.${i + 1}:2377`, isLearner: false, isReachable: true }));
  // Requests come through the codec, as gRPC's do.
  const types: Partial<Record<ReadMethod | WriteMethod, string>> = {
    ListNodes: "ListRequest", ListServices: "ListRequest", ListTasks: "ListRequest", ListNetworks: "ListRequest", GetNode: "GetRequest", GetService: "GetRequest", GetTask: "GetRequest",
    GetNetwork: "GetRequest", ListRevisions: "GetRequest", RemoveService: "RemoveRequest", RemoveNetwork: "RemoveRequest",
  };
  const normal = (method: ReadMethod | WriteMethod, request: object) => codec<object>(types[method] ?? `${method}Request`).normalize(request);
  const read = <M extends ReadMethod>(method: M, request: object = {}) => api.read(method, normal(method, request)) as Answer<M>;
  const write = <M extends WriteMethod>(method: M, request: object = {}) => api.write(method, normal(method, request)) as Promise<Answer<M>>;
  const refuses = async (method: WriteMethod, request: object, code: string, why: RegExp) => {
    const before = store.index;
    await assert.rejects(write(method, request), (error: Error) => { assert.match(error.message, why); assert.equal(codeOf(error), code); return true; });
    assert.equal(store.index, before, "a refusal changes nothing");
  };
  return { store, members, api, read, write, refuses, asked };
}

/** What the schema says that a method answers, with every message in it present: a test that reads an absent one fails. */
type Answer<M extends keyof ControlDefinition> = ControlDefinition[M] extends MethodDefinition<infer _RequestIn, infer _ResponseIn, infer _RequestOut, infer Response> ? Whole<Response> : never;
type Whole<T> = T extends Buffer ? T : T extends (infer Item)[] ? Whole<Item>[] : T extends object ? { [K in keyof T]-?: Whole<NonNullable<T[K]>> } : T;

describe("control API: services", () => {
  it("creates one with its first revision and resolves networks to ids", async () => {
    const { store, read, write } = await cluster();
    const { network } = await write("CreateNetwork", { spec: { name: "front" } });
    const { service, warnings } = await write("CreateService", { spec: spec({ networks: ["front"], ports: [8080] }) });
    assert.equal(service.spec.task.networks[0]!.target, network.id);
    assert.deepEqual(warnings, []);
    assert.deepEqual(store.view((tx) => tx.revisionsOfService(service.id).map(({ id, spec: s }) => [id, s!.name])), [[`${service.id}.1`, "web"]]);
    assert.equal(read("GetService", { ref: "web" }).status.desired, 1);
  });

  it("fills in what a request leaves out", async () => {
    const { write } = await cluster();
    const { service } = await write("CreateService", { spec: { name: "tiny", replicas: 2, task: { container: { image: "web" } } } });
    assert.deepEqual([service.spec.task.container.stopGraceMs, service.spec.task.restart.delayMs, service.spec.update.parallelism, service.spec.endpoint.mode], [10_000, 5_000, 1, "VIP"]);
  });

  it("refuses what does not fit into the cluster, with the reason", async () => {
    const { write, refuses } = await cluster();
    await write("CreateService", { spec: spec({ name: "first", ports: [80] }) });
    await write("CreateService", { spec: spec({ name: "host", ports: [90], portMode: "HOST" }) });
    await refuses("CreateService", {}, "INVALID_ARGUMENT", /no spec/);
    await refuses("CreateService", { spec: spec({ name: "first" }) }, "ALREADY_EXISTS", /Cannot create service "first": the name is taken by service id001/);
    await refuses("CreateService", { spec: spec({ ports: [80] }) }, "ALREADY_EXISTS", /port 80\/tcp is published by service "first"; choose another/);
    await refuses("CreateService", { spec: spec({ ports: [90] }) }, "ALREADY_EXISTS", /published by service "host" with mode=host/);
    await write("CreateService", { spec: spec({ name: "host2", ports: [90], portMode: "HOST" }) });
    await refuses("CreateService", { spec: spec({ networks: ["nowhere"] }) }, "NOT_FOUND", /Cannot create service "web": cannot use network "nowhere": there is no such network/);
    await refuses("CreateService", { spec: spec({ networks: ["ingress"] }) }, "INVALID_ARGUMENT", /carries published ports only/);
    await refuses("CreateService", { spec: spec({ constraints: ["node.labels.disk"] }) }, "INVALID_ARGUMENT", /KEY==VALUE/);
    await refuses("CreateService", { spec: spec({ labels: { big: "x".repeat(maxSpecBytes) } }) }, "INVALID_ARGUMENT", /its spec takes 1\.0 MiB; the limit is 1 MiB/);
    await refuses("CreateService", { spec: spec({ image: "" }) }, "INVALID_ARGUMENT", /no image is given/);
  });

  it("two of one name at the same time: one is created", async () => {
    const { write } = await cluster();
    const outcomes = await Promise.allSettled([write("CreateService", { spec: spec() }), write("CreateService", { spec: spec() })]);
    assert.deepEqual(outcomes.map(({ status }) => status), ["fulfilled", "rejected"]);
  });

  it("warns when no node satisfies the constraints yet", async () => {
    const { write } = await cluster();
    assert.match((await write("CreateService", { spec: spec({ constraints: ["node.labels.rack==nowhere"] }) })).warnings[0]!, /no node satisfies/);
  });

  it("updates to a new revision, and to none when nothing changes", async () => {
    const { store, write, refuses } = await cluster();
    const { service } = await write("CreateService", { spec: spec() });
    const same = await write("UpdateService", { ref: "web", version: service.meta.version, spec: spec() });
    assert.equal(same.service.revision, 1);
    const { service: changed } = await write("UpdateService", { ref: "web", version: service.meta.version, spec: spec({ image: "web:2" }) });
    assert.equal(changed.revision, 2);
    await refuses("UpdateService", { ref: "web", version: service.meta.version, spec: spec({ image: "web:3" }) }, "ABORTED", /changed by somebody else/);
    await refuses("UpdateService", { ref: "web", spec: spec({ name: "other" }) }, "INVALID_ARGUMENT", /cannot be renamed/);
    await refuses("UpdateService", { ref: "web", spec: spec({ mode: "GLOBAL" }) }, "INVALID_ARGUMENT", /mode is replicated and cannot be changed/);
    await refuses("UpdateService", { ref: "nope", spec: spec() }, "NOT_FOUND", /Cannot update service "nope": there is no such service/);
    assert.deepEqual(store.view((tx) => tx.revisionsOfService(service.id).length), 2);
  });

  it("keeps the newest ten revisions and those that tasks run", async () => {
    const { store, write } = await cluster();
    const { service } = await write("CreateService", { spec: spec() });
    await store.update((tx) => tx.create("task", newTask({ id: "t", serviceId: service.id, revision: 2, slot: 1 })));
    for (let i = 2; i <= 15; i++) await write("UpdateService", { ref: "web", spec: spec({ image: `web:${i}` }) });
    assert.deepEqual(store.view((tx) => tx.revisionsOfService(service.id).map(({ number }) => number).sort((a, b) => a - b)), [2, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
  });

  it("removing marks it; its name and ports stay taken until it is gone", async () => {
    const { write, refuses, read } = await cluster();
    await write("CreateService", { spec: spec({ ports: [80] }) });
    await write("RemoveService", { ref: "web" });
    await write("RemoveService", { ref: "web" });
    assert.equal(read("GetService", { ref: "web" }).service.isRemoving, true);
    await refuses("CreateService", { spec: spec() }, "ALREADY_EXISTS", /still being removed/);
    await refuses("CreateService", { spec: spec({ name: "b", ports: [80] }) }, "ALREADY_EXISTS", /service "web", which is being removed/);
    await refuses("UpdateService", { ref: "web", spec: spec() }, "FAILED_PRECONDITION", /being removed/);
    await refuses("RemoveService", { ref: "" }, "INVALID_ARGUMENT", /no name or id is given/);
  });
});

describe("control API: placement", () => {
  type Wish = Partial<Affinity> & { service: string };
  const placed = (name: string, affinities: Wish[], fields: Partial<ServiceSpec> = {}) => {
    const base = spec({ name, ...fields });
    return { ...base, task: { ...base.task!, placement: newPlacement({ affinities: affinities.map((wish) => ({ anti: false, required: true, weight: 0, key: "", ...wish })) }) } };
  };
  const asking = (reservations: Partial<Resources>, name = "web") => { const base = spec({ name }); return { ...base, task: { ...base.task!, reservations: newResources(reservations) } }; };
  const withDevices = async () => {
    const made = await cluster();
    await made.store.update((tx) => {
      const node = tx.get("node", "w1")!;
      const resources = newResources({ generic: [{ kind: "fpga", count: 0, ids: ["f1", "f2"] }, { kind: "licence", count: 3, ids: [] }], gpus: [{ id: "GPU-1", model: "A100", memoryBytes: 0 }] });
      tx.update("node", { ...node, description: { ...node.description!, resources } });
    });
    return made;
  };

  it("affinities name services by name or the beginning of an id, also the service itself, and are stored by id", async () => {
    const { write, refuses } = await cluster();
    const db = (await write("CreateService", { spec: spec({ name: "db" }) })).service;
    const { service } = await write("CreateService", { spec: placed("web", [{ service: "db", key: "node.labels.zone" }, { service: "web", anti: true }]) });
    assert.deepEqual(service.spec.task.placement.affinities.map((each) => [each.service, each.anti, each.key]), [[db.id, false, "node.labels.zone"], [service.id, true, "node.id"]]);
    await refuses("CreateService", { spec: placed("x", [{ service: "nowhere" }]) }, "NOT_FOUND", /Cannot create service "x": cannot place it by service "nowhere": there is no such service/);
    await refuses("CreateService", { spec: placed("x", [{ service: "db" }, { service: db.id, anti: true }]) }, "INVALID_ARGUMENT", /the required affinity to service "db" and the required anti-affinity to service "db" contradict each other/);
    await refuses("CreateService", { spec: placed("x", [{ service: "x" }, { service: "x", anti: true }]) }, "INVALID_ARGUMENT", /contradict each other/);
    await refuses("UpdateService", { ref: "web", spec: placed("web", [{ service: service.id }, { service: service.id, anti: true }]) }, "INVALID_ARGUMENT", /the required affinity to service "web" and the required anti-affinity to service "web" contradict each other/);
  });

  it("services that would wait for each other are refused, over any number of them; one may be near itself, and preferences may cross", async () => {
    const { write, refuses } = await cluster();
    await write("CreateService", { spec: placed("a", [{ service: "a", key: "node.labels.zone" }]) });
    await write("CreateService", { spec: placed("b", [{ service: "a" }]) });
    await write("CreateService", { spec: placed("c", [{ service: "b" }]) });
    await refuses("UpdateService", { ref: "a", spec: placed("a", [{ service: "c" }]) }, "INVALID_ARGUMENT", /"a" requires to be near "c", which requires to be near "b", which requires to be near "a": none of them could be placed first/);
    await refuses("UpdateService", { ref: "a", spec: placed("a", [{ service: "b" }]) }, "INVALID_ARGUMENT", /"a" requires to be near "b", which requires to be near "a"/);
    await write("UpdateService", { ref: "a", spec: placed("a", [{ service: "c", required: false, weight: 10 }, { service: "c", anti: true, key: "node.labels.rack" }]) });
  });

  it("one that keeps away from a service that wants to be near it is refused", async () => {
    const { write, refuses } = await cluster();
    await write("CreateService", { spec: spec({ name: "a" }) });
    await write("CreateService", { spec: placed("b", [{ service: "a" }]) });
    await refuses("UpdateService", { ref: "a", spec: placed("a", [{ service: "b", anti: true, key: "node.labels.zone" }]) }, "INVALID_ARGUMENT", /its required anti-affinity to service "b" by node\.labels\.zone contradicts that one's required affinity to service "a"; drop one/);
  });

  it("a service that was removed stays in an affinity without being in the way", async () => {
    const { store, write } = await cluster();
    const db = (await write("CreateService", { spec: spec({ name: "db" }) })).service;
    const { service } = await write("CreateService", { spec: placed("web", [{ service: "db" }]) });
    await store.update((tx) => tx.remove("service", db.id));
    const again = await write("UpdateService", { ref: "web", spec: { ...service.spec, replicas: 3 } });
    assert.deepEqual(again.service.spec.task.placement.affinities.map((each) => each.service), [db.id]);
  });

  it("a generic resource that no node has is refused with those that there are; one that was there stays", async () => {
    const { store, write, refuses } = await withDevices();
    await refuses("CreateService", { spec: asking({ generic: [{ kind: "FPGA", count: 1, ids: [] }] }) }, "INVALID_ARGUMENT", /no node has the generic resource "FPGA" \(there are "fpga", "licence"\); name one with "swarmd --generic-resource FPGA=COUNT"/);
    const { service } = await write("CreateService", { spec: asking({ generic: [{ kind: "licence", count: 1, ids: [] }, { kind: "fpga", count: 2, ids: [] }] }) });
    await store.update((tx) => tx.remove("node", "w1"));
    await refuses("CreateService", { spec: asking({ generic: [{ kind: "fpga", count: 1, ids: [] }] }, "other") }, "INVALID_ARGUMENT", /\(no node has any\)/);
    await write("UpdateService", { ref: "web", spec: { ...service.spec, replicas: 2 } });
  });

  it("nodes are shown with what their tasks have set aside; tasks that ended hold nothing", async () => {
    const { store, read, write } = await withDevices();
    const { service } = await write("CreateService", { spec: asking({ cpuMillis: 500, memoryBytes: 2 ** 30, diskBytes: 5, pids: 7, generic: [{ kind: "fpga", count: 1, ids: [] }], gpu: { count: 1, millis: 400, models: [] } }) });
    await store.update((tx) => {
      for (const [id, state] of [["t1", "RUNNING"], ["t2", "ASSIGNED"], ["t3", "FAILED"]] as const) {
        tx.create("task", newTask({ id, serviceId: service.id, revision: 1, slot: 1, nodeId: "w1", status: newTaskStatus({ state }), gpus: [{ id: "GPU-1", millis: 400 }], assigned: [{ kind: "fpga", count: 0, ids: [id] }, { kind: "licence", count: 2, ids: [] }] }));
      }
    });
    const { reserved } = read("GetNode", { ref: "w1" });
    assert.deepEqual([reserved.tasks, reserved.amounts.cpuMillis, reserved.amounts.memoryBytes, reserved.amounts.diskBytes, reserved.amounts.pids], [2, 1_000, 2 ** 31, 10, 14]);
    assert.deepEqual(reserved.amounts.generic, [{ kind: "fpga", count: 2, ids: ["t1", "t2"] }, { kind: "licence", count: 4, ids: [] }]);
    assert.deepEqual(reserved.gpus, [{ id: "GPU-1", millis: 800 }]);
    assert.deepEqual(read("ListNodes").reserved.map(({ nodeId, tasks }) => [nodeId, tasks]), [["m1", 0], ["m2", 0], ["m3", 0], ["w1", 2]]);
  });

  it("warns of GPUs that no node has, and of a project without a quota", async () => {
    const { write } = await withDevices();
    const gpu = (name: string, ...models: string[]) => write("CreateService", { spec: asking({ gpu: { count: 1, millis: 0, models } }, name) });
    assert.deepEqual((await gpu("a")).warnings, []);
    assert.deepEqual((await gpu("b", "H100", "a100")).warnings, []);
    assert.match((await gpu("c", "H100")).warnings[0]!, /no node has a GPU of model "H100" now \(there is "A100"\): tasks wait/);
    assert.match((await write("CreateService", { spec: spec({ name: "d", project: "team" }) })).warnings[0]!, /project "team" has no quota/);
    await write("UpdateCluster", { spec: newClusterSpec({ quotas: [{ project: "team", limits: null, tasks: 5 }] }) });
    assert.deepEqual((await write("CreateService", { spec: spec({ name: "e", project: "team" }) })).warnings, []);
  });
});

describe("control API: refs, lists and filters", () => {
  it("a ref is an id, a name or the beginning of one id; what is ambiguous is said", async () => {
    const { read, write } = await cluster();
    await write("CreateService", { spec: spec({ name: "a" }) });
    await write("CreateService", { spec: spec({ name: "b" }) });
    assert.equal(read("GetService", { ref: "id001" }).service.spec.name, "a");
    assert.equal(read("GetNode", { ref: "h4" }).node.id, "w1");
    assert.equal(read("GetNode", { ref: "w" }).node.id, "w1");
    assert.throws(() => read("GetService", { ref: "id" }), /the ids of 2 services begin with it; give more of the id: id001, id002/);
  });

  it("nodes of one name are told apart by id", async () => {
    const { store, read } = await cluster();
    await store.update((tx) => tx.create("node", newNode({ id: "w2", description: newNodeDescription({ hostname: "h4" }) })));
    assert.throws(() => read("GetNode", { ref: "h4" }), /2 nodes have that name; give one of their ids/);
  });

  it("filters narrow lists; an unknown key names the valid ones", async () => {
    const { read, write } = await cluster();
    await write("CreateService", { spec: spec({ name: "a", labels: { tier: "front" } }) });
    await write("CreateService", { spec: spec({ name: "b", mode: "GLOBAL" }) });
    const names = (filters: object[]) => read("ListServices", { filters }).services.map((s: any) => s.spec.name);
    assert.deepEqual(names([]), ["a", "b"]);
    assert.deepEqual(names([{ key: "label", value: "tier" }]), ["a"]);
    assert.deepEqual(names([{ key: "label", value: "tier=back" }]), []);
    assert.deepEqual(names([{ key: "mode", value: "global" }, { key: "mode", value: "replicated" }]), ["a", "b"]);
    assert.deepEqual(names([{ key: "mode", value: "global" }, { key: "name", value: "a" }]), []);
    assert.throws(() => names([{ key: "color", value: "red" }]), /Cannot filter services by "color": the keys are name, id, label, mode/);
    assert.throws(() => names([{ key: "mode", value: "sometimes" }]), /use replicated, global/);
    assert.deepEqual(read("ListNodes", { filters: [{ key: "role", value: "worker" }] }).nodes.map((n: any) => n.id), ["w1"]);
    assert.deepEqual(read("ListNetworks", { filters: [{ key: "driver", value: "overlay" }] }).networks.length, 1);
  });

  it("tasks are shown with their names, and found by them", async () => {
    const { store, read, write } = await cluster();
    const { service } = await write("CreateService", { spec: spec() });
    await store.update((tx) => {
      tx.create("task", newTask({ id: "old", serviceId: service.id, revision: 1, slot: 1, nodeId: "w1", desiredState: "SHUTDOWN", status: newTaskStatus({ state: "FAILED" }) }));
      tx.create("task", newTask({ id: "new", serviceId: service.id, revision: 1, slot: 1, nodeId: "w1", status: newTaskStatus({ state: "RUNNING" }) }));
      tx.create("task", newTask({ id: "two", serviceId: service.id, revision: 1, slot: 2 }));
    });
    const { task, spec: taskSpec } = read("GetTask", { ref: "web.1" });
    assert.deepEqual([task.task.id, task.name, task.nodeName, task.image, taskSpec.container.image], ["new", "web.1", "h4", "web:1", "web:1"]);
    const ids = (...filters: [string, string][]) => read("ListTasks", { filters: filters.map(([key, value]) => ({ key, value })) }).tasks.map((t: any) => t.task.id);
    assert.deepEqual(ids(["service", "web"], ["desired-state", "running"]), ["new", "two"]);
    assert.deepEqual(ids(["node", "h4"]), ["old", "new"]);
    assert.deepEqual(ids(["state", "failed"]), ["old"]);
    assert.deepEqual(ids(["name", "web.2"]), ["two"]);
    assert.throws(() => ids(["state", "bored"]), /use new, pending, assigned/);
  });
});

describe("control API: networks", () => {
  it("refuses names and subnets that are taken", async () => {
    const { store, write, refuses } = await cluster();
    await write("CreateNetwork", { spec: { name: "front", subnet: "10.9.0.0/24" } });
    await refuses("CreateNetwork", { spec: { name: "front" } }, "ALREADY_EXISTS", /taken by network id001/);
    await refuses("CreateNetwork", { spec: { name: "back", subnet: "10.9.0.128/25" } }, "ALREADY_EXISTS", /overlaps with network "front"/);
    await store.update((tx) => tx.create("node", newNode({ id: "n", status: { state: "READY", message: "", addr: "192.0.2.7", sinceMs: 0 } })));
    await refuses("CreateNetwork", { spec: { name: "x", subnet: "192.0.2.0/24" } }, "INVALID_ARGUMENT", /holds 192\.0\.2\.7, the address of a node/);
    await refuses("CreateNetwork", { spec: { name: "x", isIngress: true } }, "ALREADY_EXISTS", /only one/);
    await refuses("CreateNetwork", { spec: { name: "x y" } }, "INVALID_ARGUMENT", /may hold letters/);
  });

  it("removes only what nobody uses, and says who does", async () => {
    const { store, write, refuses } = await cluster();
    const { network } = await write("CreateNetwork", { spec: { name: "front" } });
    const { service } = await write("CreateService", { spec: spec({ networks: ["front"] }) });
    await refuses("RemoveNetwork", { ref: "front" }, "FAILED_PRECONDITION", /Cannot remove network "front": it is in use by service "web"; remove or update/);
    await write("UpdateService", { ref: "web", spec: spec() });
    await store.update((tx) => tx.create("task", newTask({ id: "t", serviceId: service.id, networks: [{ networkId: network.id, addr: "10.0.1.5/24", mac: "", aliases: [] }] })));
    await refuses("RemoveNetwork", { ref: "front" }, "FAILED_PRECONDITION", /in use by service "web"/);
    await store.update((tx) => tx.remove("task", "t"));
    assert.equal((await write("RemoveNetwork", { ref: "front" })).id, network.id);
    await refuses("RemoveNetwork", { ref: "ingress" }, "FAILED_PRECONDITION", /carries every port/);
  });
});

describe("control API: nodes and the cluster", () => {
  const nodeSpec = (desiredRole: "MANAGER" | "WORKER") => newNodeSpec({ desiredRole });

  it("changes labels, availability and role", async () => {
    const { write } = await cluster();
    const { node } = await write("UpdateNode", { ref: "h4", spec: newNodeSpec({ labels: { disk: "ssd" }, availability: "DRAIN", desiredRole: "MANAGER" }) });
    assert.deepEqual([node.spec.labels.disk, node.spec.availability, node.spec.desiredRole, node.role], ["ssd", "DRAIN", "MANAGER", "WORKER"]);
  });

  it("an unknown availability and an old version are refused", async () => {
    const { write, refuses, read } = await cluster();
    const { version } = read("GetNode", { ref: "w1" }).node.meta;
    await write("UpdateNode", { ref: "w1", version, spec: newNodeSpec({ labels: { a: "b" } }) });
    await refuses("UpdateNode", { ref: "w1", version, spec: newNodeSpec() }, "ABORTED", /changed by somebody else/);
  });

  it("demoting is refused where quorum would be lost, naming who is missing", async () => {
    const { members, refuses, write } = await cluster();
    members.all = members.all.map((m) => (m.nodeId === "m3" ? { ...m, isReachable: false } : m));
    await refuses("UpdateNode", { ref: "h2", spec: nodeSpec("WORKER") }, "FAILED_PRECONDITION", /of the 2 managers that would stay, 2 must answer, and "h3" cannot be reached/);
    await write("UpdateNode", { ref: "h3", spec: nodeSpec("WORKER") });
  });

  it("the last manager is not demoted", async () => {
    const { members, refuses, write, store } = await cluster();
    await write("UpdateNode", { ref: "h3", spec: nodeSpec("WORKER") });
    await write("UpdateNode", { ref: "h2", spec: nodeSpec("WORKER") });
    members.all = members.all.slice(0, 1);
    await refuses("UpdateNode", { ref: "h1", spec: nodeSpec("WORKER") }, "FAILED_PRECONDITION", /it is the last manager/);
    assert.equal(store.view((tx) => tx.get("node", "m1")!.spec!.desiredRole), "MANAGER");
  });

  it("removing needs force for a ready node, orphans its tasks and refuses its certificates", async () => {
    const { store, write, refuses } = await cluster();
    await store.update((tx) => tx.create("task", newTask({ id: "t", nodeId: "w1", status: newTaskStatus({ state: "RUNNING" }) })));
    await refuses("RemoveNode", { ref: "h4" }, "FAILED_PRECONDITION", /it is ready and would be cut off/);
    await write("RemoveNode", { ref: "h4", force: true });
    store.view((tx) => {
      assert.equal(tx.get("node", "w1"), undefined);
      assert.equal(tx.get("task", "t")!.status!.state, "ORPHANED");
      assert.ok(tx.cluster().removedNodes["w1"]! > Date.now());
    });
  });

  it("a removed node stays refused for as long as its certificate may be valid, whatever the validity is now", async () => {
    const { store, write } = await cluster();
    await store.update((tx) => tx.update("cluster", { ...tx.cluster(), spec: { ...tx.cluster().spec!, certificateValidityMs: 3_600_000 } }));
    await write("RemoveNode", { ref: "h4", force: true });
    assert.ok(store.view((tx) => tx.cluster().removedNodes["w1"]!) > Date.now() + 364 * 24 * 3_600_000);
  });

  it("a manager is removed only by force, out of the raft group too, and never at the cost of quorum", async () => {
    const { members, write, refuses } = await cluster();
    await refuses("RemoveNode", { ref: "h3" }, "FAILED_PRECONDITION", /it is a manager; demote it first/);
    await refuses("RemoveNode", { ref: "h1", force: true }, "FAILED_PRECONDITION", /it is the leader/);
    members.all = members.all.map((m) => (m.nodeId === "m2" ? { ...m, isReachable: false } : m));
    await refuses("RemoveNode", { ref: "h3", force: true }, "FAILED_PRECONDITION", /"h2" cannot be reached/);
    await write("RemoveNode", { ref: "h2", force: true });
    assert.deepEqual(members.removed, ["m2"]);
  });

  it("shows who leads and who answers", async () => {
    const { members, read } = await cluster();
    members.all = members.all.map((m) => (m.nodeId === "m3" ? { ...m, isReachable: false } : m));
    assert.deepEqual(read("ListNodes").nodes.map((n: any) => n.manager && [n.manager.isLeader, n.manager.isReachable]), [[true, true], [false, true], [false, false], null]);
  });

  it("shows the cluster without the CA's key, and rotates one token", async () => {
    const { read, write, refuses } = await cluster();
    assert.ok(!JSON.stringify(read("GetCluster")).includes("SECRET"));
    const { token } = await write("RotateJoinToken", { role: "WORKER" });
    assert.deepEqual(read("GetCluster").cluster.joinTokens, { worker: token, manager: "m" });
    const { cluster: changed } = await write("UpdateCluster", { spec: { heartbeatMs: 500 } });
    assert.deepEqual([changed.spec.heartbeatMs, changed.spec.taskHistory, changed.rootCa.keyPem], [500, 5, ""]);
    await refuses("UpdateCluster", { spec: { name: "other" } }, "INVALID_ARGUMENT", /cannot be changed/);
    await refuses("UpdateCluster", { spec: { heartbeatMs: 1 } }, "INVALID_ARGUMENT", /heartbeat/);
  });
});

describe("control API: watching and logs", () => {
  it("says ready, then tells what was asked for, in order", async () => {
    const { api, write, store } = await cluster();
    const ended = new AbortController();
    const seen: string[] = [];
    const reading = (async () => {
      for await (const e of api.watch({ kinds: ["service", "task"], filters: [{ key: "service", value: "web" }] }, ended.signal)) seen.push(`${e.change} ${e.service?.spec?.name ?? e.task?.name ?? "ready"}`);
    })();
    await waitFor("ready", () => seen.length === 1);
    const { service } = await write("CreateService", { spec: spec() });
    await write("CreateService", { spec: spec({ name: "other" }) });
    await write("CreateNetwork", { spec: { name: "n" } });
    await store.update((tx) => tx.create("task", newTask({ id: "t", serviceId: service.id, slot: 1 })));
    await store.update((tx) => tx.remove("task", "t"));
    await waitFor("the events", () => seen.length === 4);
    assert.deepEqual(seen, ["CREATED ready", "CREATED web", "CREATED web.1", "REMOVED web.1"]);
    ended.abort();
    await reading;
  });

  it("an unknown kind is refused, and a replaced state ends the stream", async () => {
    const { api, store } = await cluster();
    await assert.rejects((async () => { for await (const _ of api.watch({ kinds: ["secret"], filters: [] }, new AbortController().signal)) { /* none */ } })(), /the kinds are task, service, node, network/);
    const stream = api.watch({ kinds: [], filters: [] }, new AbortController().signal)[Symbol.asyncIterator]();
    await stream.next();
    await store.restore(store.snapshot(), store.index + 1);
    await assert.rejects(stream.next(), /list again and watch again/);
  });

  it("logs go to the broker with the tasks that a service or task ref names", async () => {
    const { api, store, write, asked } = await cluster();
    const { service } = await write("CreateService", { spec: spec() });
    await store.update((tx) => {
      tx.create("task", newTask({ id: "t1", serviceId: service.id, slot: 1, nodeId: "w1" }));
      tx.create("task", newTask({ id: "t2", serviceId: service.id, slot: 2 }));
    });
    const read = async (ref: string) => {
      const seen: string[] = [];
      for await (const record of api.logs({ ref, follow: false, tail: 5, sinceMs: 0, untilMs: 0 }, new AbortController().signal)) seen.push(`${record.taskName}@${record.nodeName}`);
      return seen;
    };
    assert.deepEqual(await read("web"), ["web.1@h4"]);
    assert.deepEqual(await read("web.1"), ["web.1@h4"]);
    assert.deepEqual(asked.map(({ request, tasks }) => [request.ref, tasks]), [[service.id, ["web.1"]], ["t1", ["web.1"]]]);
    await assert.rejects(read("web.2"), /it has no node yet/);
    await assert.rejects(read("nope"), /no such service or task/);
  });

  it("metrics are told as they are written", async () => {
    const { api } = await cluster();
    assert.deepEqual(await api.query("GetMetrics", {}, new AbortController().signal), { text: "m 1\n" });
  });
});
