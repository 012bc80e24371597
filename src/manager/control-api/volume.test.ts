import assert from "node:assert/strict";
import { codeOf, silentLogger, systemClock } from "../../lib/index.js";
import { newCluster, newContainerSpec, newNode, newNodeDescription, newNodeSpec, newServiceSpec, newTask, newTaskSpec, newTaskStatus, newUpdateConfig, newVolumeSpec, type ServiceSpec, type TaskVolume } from "../../model/index.js";
import { codec } from "../../rpc/index.js";
import { createTestStore } from "../../store/testing.js";
import type { CreateServiceResponse } from "../../gen/swarm/v1/CreateServiceResponse.js";
import type { CreateVolumeResponse } from "../../gen/swarm/v1/CreateVolumeResponse.js";
import type { GetVolumeResponse } from "../../gen/swarm/v1/GetVolumeResponse.js";
import type { ListVolumesResponse } from "../../gen/swarm/v1/ListVolumesResponse.js";
import { createControlApi, type ReadMethod, type WriteMethod } from "./index.js";

async function cluster() {
  const store = createTestStore();
  let next = 0;
  const unused = () => Promise.reject(new Error("not here"));
  const api = createControlApi({
    store, clock: systemClock, log: silentLogger, members: { nodeId: "m1", leaderNodeId: "m1", list: () => [], remove: unused }, logBroker: { async *logs() {} },
    scheduler: { explain: unused, whatIf: unused, hints: unused, rebalance: unused }, metrics: { text: () => "" }, newId: () => `id${++next}`,
  });
  await store.update((tx) => {
    tx.create("cluster", newCluster({ id: "c" }));
    for (const [id, hostname] of [["n1", "h1"], ["n2", "h2"]] as const) {
      tx.create("node", newNode({ id, spec: newNodeSpec({ labels: { rack: hostname } }), description: newNodeDescription({ hostname }), status: { state: "READY", message: "", addr: "", sinceMs: 0 } }));
    }
  });
  const requestOf: Partial<Record<ReadMethod | WriteMethod, string>> = { ListVolumes: "ListRequest", GetVolume: "GetRequest" };
  const normal = (method: ReadMethod | WriteMethod, request: object) => codec<object>(requestOf[method] ?? `${method}Request`).normalize(request);
  const read = (method: ReadMethod, request: object = {}) => api.read(method, normal(method, request));
  const write = (method: WriteMethod, request: object) => api.write(method, normal(method, request));
  const refuses = async (method: WriteMethod, request: object, code: string, why: RegExp) => {
    const before = store.index;
    await assert.rejects(write(method, request), (error: Error) => { assert.match(error.message, why); assert.equal(codeOf(error), code); return true; });
    assert.equal(store.index, before, "a refusal changes nothing");
  };
  const create = async (fields: object) => ((await write("CreateVolume", { spec: fields })) as CreateVolumeResponse).volume!;
  const get = (ref: string) => read("GetVolume", { ref }) as GetVolumeResponse;
  const list = (...filters: readonly (readonly [key: string, value: string])[]) =>
    (read("ListVolumes", { filters: filters.map(([key, value]) => ({ key, value })) }) as ListVolumesResponse).volumes.map(({ spec }) => spec!.name);
  const createService = async (spec: ServiceSpec) => (await write("CreateService", { spec })) as CreateServiceResponse;
  const runs = (serviceId: string, id: string, volumes: TaskVolume[]) => store.update((tx) => tx.create("task", newTask({
    id, serviceId, revision: 1, slot: 1, nodeId: "n1", volumes, status: newTaskStatus({ state: "RUNNING" }),
  })));
  return { store, read, write, refuses, create, get, list, createService, runs };
}

const mounting = (source: string, fields: Partial<ServiceSpec> & { readOnly?: boolean } = {}): ServiceSpec => {
  const { readOnly = false, ...rest } = fields;
  return newServiceSpec({
    name: "web",
    task: newTaskSpec({ container: newContainerSpec({ image: "web:1", mounts: [{ type: "CLUSTER", source, target: "/data", readOnly, propagation: "", noCopy: false, tmpfsSizeBytes: 0, tmpfsMode: 0, volumeLabels: {} }] }) }),
    ...rest,
  });
};
const sourceOf = ({ service }: CreateServiceResponse) => service!.spec!.task!.container!.mounts[0]!.source;

describe("control API: volumes of the cluster", () => {
  it("creates one, with defaults, and tells what it is", async () => {
    const { create, get } = await cluster();
    const volume = await create({ name: "data" });
    assert.deepEqual(volume.spec, newVolumeSpec({ name: "data" }));
    assert.deepEqual([get("data").volume!.id, get(volume.id).volume!.id, volume.nodeId], [volume.id, volume.id, ""]);
  });

  it("refuses what is no volume, in words that say what to do", async () => {
    const { create, refuses } = await cluster();
    await create({ name: "data" });
    const cases: readonly [object, string, RegExp][] = [
      [{ spec: null }, "INVALID_ARGUMENT", /Cannot create volume "": no spec is given/],
      [{ spec: {} }, "INVALID_ARGUMENT", /it has no name; give one/],
      [{ spec: { name: "data" } }, "ALREADY_EXISTS", /Cannot create volume "data": the name is taken by volume id1; choose another/],
      [{ spec: { name: "a/b" } }, "INVALID_ARGUMENT", /the name may hold letters/],
      [{ spec: { name: "x", driver: "ceph" } }, "INVALID_ARGUMENT", /the driver "ceph" is unknown; use local/],
      [{ spec: { name: "x", options: { quota: "1g" } } }, "INVALID_ARGUMENT", /the option "quota" is not known to driver local/],
      [{ spec: { name: "x", options: { type: "nfs" } } }, "INVALID_ARGUMENT", /a device is missing beside type/],
      [{ spec: { name: "x", scope: "MULTI_NODE" } }, "INVALID_ARGUMENT", /has to be the same files on every node/],
      [{ spec: { name: "x", topology: ["node.labels.rack"] } }, "INVALID_ARGUMENT", /KEY==VALUE/],
      [{ spec: { name: "x", topology: ["node.labels.rack==a", "node.labels.rack==b"] } }, "INVALID_ARGUMENT", /contradict each other/],
      [{ spec: { name: "x", group: "a b" } }, "INVALID_ARGUMENT", /is no group's name/],
      [{ spec: { name: "x", sharing: 9 } }, "INVALID_ARGUMENT", /the sharing "9" is unknown/],
    ];
    for (const [request, code, why] of cases) await refuses("CreateVolume", request, code, why);
  });

  it("warns of a topology that no node is in", async () => {
    const { write } = await cluster();
    assert.deepEqual(((await write("CreateVolume", { spec: { name: "far", topology: ["node.labels.rack==h9"] } })) as CreateVolumeResponse).warnings,
      ['no node satisfies "node.labels.rack==h9" now: tasks that mount it wait until one does']);
  });

  it("lists by name, by group and what else they have in common", async () => {
    const { create, list, refuses, read } = await cluster();
    await create({ name: "b", group: "pg", labels: { tier: "gold" } });
    await create({ name: "a", group: "pg", availability: "VOLUME_PAUSE" });
    await create({ name: "c", scope: "MULTI_NODE", options: { type: "nfs", device: ":/x", o: "addr=192.0.2.1" } });
    assert.deepEqual(list(), ["a", "b", "c"]);
    assert.deepEqual(list(["group", "pg"]), ["a", "b"]);
    assert.deepEqual([list(["label", "tier=gold"]), list(["availability", "pause"]), list(["scope", "multi"]), list(["name", "c"])], [["b"], ["a"], ["c"], ["c"]]);
    assert.throws(() => read("ListVolumes", { filters: [{ key: "colour", value: "x" }] }), /Cannot filter volumes by "colour"/);
    await refuses("RemoveVolume", { ref: "nowhere" }, "NOT_FOUND", /Cannot remove volume "nowhere": there is no such volume; "swarmctl volume ls --cluster" lists what there is/);
  });

  it("a service names it by name, and is refused one that is not there or that it must not write to", async () => {
    const { create, createService, refuses } = await cluster();
    const data = await create({ name: "data" });
    await create({ name: "docs", sharing: "SHARE_READ_ONLY" });
    assert.equal(sourceOf(await createService(mounting("data"))), data.id);
    assert.equal(sourceOf(await createService(mounting("group:pg", { name: "pg" }))), "group:pg");
    await refuses("CreateService", { spec: mounting("nowhere", { name: "x" }) }, "NOT_FOUND", /Cannot create service "x": cannot mount volume "nowhere": there is no such volume/);
    await refuses("CreateService", { spec: mounting("docs", { name: "x" }) }, "INVALID_ARGUMENT", /volume "docs" is shared for reading only; add "readonly" to its mount at \/data/);
    await refuses("CreateService", { spec: mounting("data", { name: "x", update: newUpdateConfig({ order: "START_FIRST" }) }) }, "INVALID_ARGUMENT", /volume "data" is not shared: with update order start-first a new task would wait for the old one, which waits for it; use stop-first/);
    await refuses("CreateService", { spec: mounting("", { name: "x" }) }, "INVALID_ARGUMENT", /the cluster mount at "\/data" has no source/);
    await createService(mounting("docs", { name: "x", readOnly: true }));
  });

  it("warns where tasks would keep each other from it", async () => {
    const { create, createService } = await cluster();
    await create({ name: "data" });
    await create({ name: "log", sharing: "SHARE_ONE_WRITER" });
    await create({ name: "all", sharing: "SHARE_ALL" });
    const warnings = async (name: string, source: string, fields: Parameters<typeof mounting>[1] = {}) => (await createService(mounting(source, { name, ...fields }))).warnings;
    assert.deepEqual(await warnings("a", "data", { replicas: 2 }), ['volume "data" is not shared: one task at a time can have it, the others wait']);
    assert.deepEqual(await warnings("b", "log", { replicas: 2 }), ['volume "log" allows one writer: one task at a time can have it, the others wait']);
    assert.deepEqual(await warnings("c", "log", { replicas: 2, readOnly: true }), []);
    assert.deepEqual(await warnings("d", "all", { replicas: 9 }), []);
    assert.deepEqual(await warnings("e", "group:pg"), ['no volume is of group "pg" now: tasks wait until one is']);
  });

  it("what tasks count on cannot change; availability, labels and topology can", async () => {
    const { create, write, refuses, get } = await cluster();
    const { spec, meta } = await create({ name: "data" });
    await refuses("UpdateVolume", { ref: "data", spec: { ...spec, sharing: "SHARE_ALL" } }, "INVALID_ARGUMENT", /Cannot update volume "data": its sharing cannot be changed; create another volume/);
    await refuses("UpdateVolume", { ref: "data", version: meta!.version + 7, spec }, "ABORTED", /changed by somebody else/);
    await write("UpdateVolume", { ref: "data", version: meta!.version, spec: { ...spec, availability: "VOLUME_PAUSE", labels: { a: "b" }, topology: ["node.labels.rack==h1"] } });
    const { volume } = get("data");
    assert.deepEqual([volume!.spec!.availability, volume!.spec!.labels, volume!.spec!.topology], ["VOLUME_PAUSE", { a: "b" }, ["node.labels.rack==h1"]]);
  });

  it("is not removed while somebody has it or names it, unless by force", async () => {
    const { create, createService, runs, write, refuses, get, list, store } = await cluster();
    const { id } = await create({ name: "data" });
    const { service } = await createService(mounting("data"));
    await refuses("RemoveVolume", { ref: "data" }, "FAILED_PRECONDITION", /Cannot remove volume "data": it is in use by service "web"; update or remove them first, or give --force/);
    await runs(service!.id, "t1", [{ target: "/data", volumeId: id, readOnly: false }]);
    await refuses("RemoveVolume", { ref: "data" }, "FAILED_PRECONDITION", /in use by service "web", task web\.1 on h1/);
    const { use } = get("data");
    assert.deepEqual([use!.tasks, use!.services, use!.readers, use!.writers], [["web.1 on h1"], ["web"], 0, 1]);
    await write("RemoveVolume", { ref: "data", force: true });
    assert.deepEqual(list(), []);
    // A service that names one that is gone can still be scaled.
    await write("UpdateService", { ref: "web", spec: { ...service!.spec, replicas: 2 } });
    assert.equal(store.view((tx) => tx.get("service", service!.id)!.spec!.task!.container!.mounts[0]!.source), id);
  });

  it("forgets the node of its data when it is told to, not while they are in use", async () => {
    const { create, createService, runs, write, refuses, get, store } = await cluster();
    const volume = await create({ name: "data" });
    await store.update((tx) => tx.update("volume", { ...tx.get("volume", volume.id)!, nodeId: "n1" }));
    assert.equal(get("data").use!.nodeName, "h1");
    const { service } = await createService(mounting("data"));
    await runs(service!.id, "t1", [{ target: "/data", volumeId: volume.id, readOnly: false }]);
    await refuses("UpdateVolume", { ref: "data", spec: volume.spec, forgetNode: true }, "FAILED_PRECONDITION", /its data on node h1 are in use by task web\.1 on h1; drain the volume first/);
    await store.update((tx) => tx.remove("task", "t1"));
    await write("UpdateVolume", { ref: "data", spec: volume.spec, forgetNode: true });
    assert.equal(get("data").volume!.nodeId, "");
  });
});
