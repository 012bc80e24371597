import assert from "node:assert/strict";
import { newNetwork, newNetworkSpec, newNode, newNodeDescription, newPort, newResources, newRevision, newService, newServiceSpec, newTask, newTaskStatus, newVolume, newVolumeSpec, type Task, type TaskState } from "../../../model/index.js";
import { diffNetworks, diffTasks, isHeld, taskAssignment } from "./assignments.js";
import { endpointSet, nodeAttachmentSet } from "./endpoints.js";
import { LeaseTable } from "./lease-table.js";
import { mergeStatus } from "./merge-status.js";
import { reportedAddr, reportedDescription } from "./reported.js";

const taskIn = (state: TaskState, fields: Partial<Task> = {}) => newTask({ id: "t1", serviceId: "s1", revision: 1, slot: 1, nodeId: "n1", status: newTaskStatus({ state }), ...fields });
const service = newService({ id: "s1", spec: newServiceSpec({ name: "web" }) });
const revision = newRevision("s1", 1, service.spec!);

describe("dispatcher: which tasks a node is told of", () => {
  const cases: [TaskState, TaskState, boolean][] = [
    ["PENDING", "RUNNING", false], ["ASSIGNED", "RUNNING", true], ["RUNNING", "RUNNING", true], ["RUNNING", "SHUTDOWN", true], ["RUNNING", "REMOVE", true],
    ["FAILED", "RUNNING", true], ["FAILED", "SHUTDOWN", true], ["FAILED", "REMOVE", false], ["SHUTDOWN", "SHUTDOWN", false], ["ORPHANED", "RUNNING", false],
  ];
  for (const [state, desiredState, expected] of cases) {
    it(`${expected ? "holds" : "does not hold"} a task that is ${state} and should be ${desiredState}`, () => assert.equal(isHeld(taskIn(state, { desiredState })), expected));
  }
});

describe("dispatcher: what an agent says", () => {
  const escape = "\u001b]0;x\u0007";
  it("is one line of bounded length, without control characters", () => {
    const { status } = mergeStatus(taskIn("ASSIGNED"), newTaskStatus({ state: "FAILED", err: `${escape}\nno\n${"x".repeat(9_999)}`, timestampMs: 5 }), 7)!;
    assert.equal(status!.err.length, 2_000);
    assert.match(status!.err, /^\?\]0;x\? no xxx/);
    const description = reportedDescription(newNodeDescription({ hostname: `h${escape}`, engineLabels: { [`a${escape}`]: "b\nc" }, plugins: Array.from({ length: 5_000 }, () => "p") }));
    assert.equal(description.hostname, "h?]0;x?");
    assert.deepEqual(description.engineLabels, { "a?]0;x?": "b c" });
    assert.equal(description.plugins.length, 100);
  });
  it("offers amounts that can be added up, and each kind and device once", () => {
    const { resources } = reportedDescription(newNodeDescription({ resources: newResources({
      cpuMillis: NaN, memoryBytes: -5, pids: 1.5, diskBytes: Infinity, gpu: { count: 1, millis: 0, models: [] },
      generic: [{ kind: "a", count: -1, ids: [] }, { kind: "a", count: 5, ids: [] }, { kind: "b=", count: 1, ids: [] }, { kind: "c", count: 9, ids: ["x", "x", "y", "\u001b"] }],
      gpus: [{ id: "g", model: "M\n", memoryBytes: 2 ** 70 }, { id: "g", model: "N", memoryBytes: 0 }, { id: "", model: "O", memoryBytes: 0 }],
    }) }));
    assert.deepEqual(resources, newResources({
      pids: 1, generic: [{ kind: "a", count: 0, ids: [] }, { kind: "c", count: 2, ids: ["x", "y"] }], gpus: [{ id: "g", model: "M ", memoryBytes: 2 ** 50 }],
    }));
  });
  it("names a tunnel end only by an address", () => {
    assert.equal(reportedAddr("198.18.0.1"), "198.18.0.1");
    for (const addr of ["", "host", "198.18.0.1\nlink del eth0", "::1"]) assert.equal(reportedAddr(addr), undefined);
  });
});

describe("dispatcher: differences between assignments", () => {
  const assignment = (task: Task) => taskAssignment(task, service, revision, undefined, () => undefined)!;
  const map = (...tasks: Task[]) => new Map(tasks.map((task) => [task.id, assignment(task)]));

  it("an agent's own report does not come back as a change", () => {
    assert.deepEqual(diffTasks(map(taskIn("ASSIGNED")), map(taskIn("RUNNING"))), []);
  });
  it("a new desired state is a change", () => {
    const [change] = diffTasks(map(taskIn("RUNNING")), map(taskIn("RUNNING", { desiredState: "SHUTDOWN" })));
    assert.equal((change!.task as { task: Task }).task.desiredState, "SHUTDOWN");
  });
  it("what is no longer wanted is removed, what is new is added", () => {
    const changes = diffTasks(map(taskIn("RUNNING")), map(taskIn("ASSIGNED", { id: "t2" })));
    assert.deepEqual(changes.map((c) => [c.isRemoval, c.task!.task!.id]), [[true, "t1"], [false, "t2"]]);
  });
  it("networks begin, end and stay", () => {
    assert.deepEqual(diffNetworks(new Set(["a", "b"]), new Set(["b", "c"])), { added: ["c"], removed: ["a"], kept: ["b"] });
  });
  it("a task is told what the cluster volumes at its mounts are; one that was removed since is left out", () => {
    const task = newTask({ id: "t", serviceId: "s", revision: 1, nodeId: "n", volumes: [{ target: "/data", volumeId: "v1", readOnly: false }, { target: "/gone", volumeId: "v2", readOnly: true }] });
    const volume = newVolume({ id: "v1", spec: newVolumeSpec({ name: "files", options: { type: "nfs" }, labels: { a: "b" } }) });
    assert.deepEqual(taskAssignment(task, service, revision, undefined, (id) => (id === "v1" ? volume : undefined))!.volumes, [{ target: "/data", name: "files", driver: "local", options: { type: "nfs" }, labels: { a: "b" } }]);
  });
  it("a task whose spec is not known is not handed out", () => assert.equal(taskAssignment(taskIn("ASSIGNED"), service, undefined, undefined, () => undefined), undefined));
});

describe("dispatcher: endpoint sets", () => {
  const network = newNetwork({ id: "net", spec: newNetworkSpec({ name: "front" }) });
  const node = newNode({ id: "n1", status: { state: "READY", addr: "198.18.0.1", message: "", sinceMs: 0 } });
  const attached = (state: TaskState, fields: Partial<Task> = {}) => taskIn(state, { networks: [{ networkId: "net", addr: "10.0.1.5/24", mac: "", aliases: ["www"] }], ...fields });
  const derive = (task: Task, at = node) => endpointSet(network, "s1", service, [task], () => at);

  it("an endpoint is ready while its task runs and is wanted", () => {
    assert.deepEqual(derive(attached("RUNNING"))!.endpoints, [
      { taskId: "t1", taskName: "web.1", addr: "10.0.1.5", mac: "02:42:0a:00:01:05", nodeId: "n1", vtep: "198.18.0.1", isReady: true },
    ]);
    assert.deepEqual(derive(attached("RUNNING"))!.aliases, ["www"]);
  });
  it("an endpoint is not ready as soon as its task shall stop, or its node is down", () => {
    assert.equal(derive(attached("RUNNING", { desiredState: "SHUTDOWN" }))!.endpoints[0]!.isReady, false);
    assert.equal(derive(attached("RUNNING"), newNode({ id: "n1", status: { ...node.status!, state: "DOWN" } }))!.endpoints[0]!.isReady, false);
    assert.equal(derive(attached("STARTING"))!.endpoints[0]!.isReady, false);
  });
  it("a service without address or VIP on a network is not there", () => {
    assert.equal(derive(attached("FAILED")), undefined);
    assert.equal(derive(taskIn("RUNNING")), undefined);
  });
  it("only the ingress network carries published ports", () => {
    const published = newService({ id: "s1", spec: service.spec, endpoint: { ports: [newPort({ publishedPort: 8080, targetPort: 80 }), newPort({ mode: "HOST" })], vips: [{ networkId: "net", addr: "10.0.1.2" }] } });
    const ingress = newNetwork({ id: "net", spec: newNetworkSpec({ isIngress: true }) });
    assert.equal(endpointSet(network, "s1", published, [], () => undefined)!.ports.length, 0);
    assert.deepEqual(endpointSet(ingress, "s1", published, [], () => undefined)!.ports.map((p) => p.publishedPort), [8080]);
  });
  it("nodes without a known underlay address have no attachment", () => {
    const attachments = [{ networkId: "net", addr: "10.0.1.9/24", mac: "", aliases: [] }];
    const set = nodeAttachmentSet("net", [newNode({ id: "n2", attachments }), newNode({ id: "n1", attachments, status: node.status })]);
    assert.deepEqual(set.nodes, [{ nodeId: "n1", addr: "10.0.1.9", mac: "02:42:0a:00:01:09", vtep: "198.18.0.1" }]);
  });
});

describe("dispatcher: leases", () => {
  it("end when they are not renewed", () => {
    const leases = new LeaseTable();
    leases.renew("a", 0, 1_500);
    leases.renew("b", 1_000, 1_500);
    assert.deepEqual(leases.expired(1_499), []);
    assert.deepEqual(leases.expired(1_500), ["a"]);
    leases.renew("a", 1_400, 1_500);
    assert.deepEqual(leases.expired(2_600), ["b"]);
  });
  it("are long for a node that a new leader has not heard of, and as usual once it has", () => {
    const leases = new LeaseTable();
    leases.grant("a", 0, 3_000);
    leases.grant("b", 0, 3_000);
    leases.renew("a", 100, 1_500);
    assert.deepEqual(leases.expired(1_600), ["a"]);
    assert.deepEqual(leases.expired(3_000), ["a", "b"]);
  });
  it("are extended by an interruption of the manager itself", () => {
    const leases = new LeaseTable();
    leases.renew("a", 0, 1_500);
    leases.extendAll(60_000);
    assert.deepEqual(leases.expired(60_000), []);
  });
});

describe("dispatcher: merging reported statuses", () => {
  const report = (state: TaskState, fields = {}) => newTaskStatus({ state, timestampMs: 10, ...fields });
  it("states only increase", () => {
    assert.equal(mergeStatus(taskIn("ASSIGNED"), report("PREPARING"), 5)!.status!.state, "PREPARING");
    assert.equal(mergeStatus(taskIn("RUNNING"), report("PREPARING"), 5), undefined);
  });
  it("what has ended stays as it ended", () => assert.equal(mergeStatus(taskIn("SHUTDOWN"), report("FAILED"), 5), undefined));
  it("an agent cannot set a state that is not its own to set", () => {
    for (const state of ["NEW", "ASSIGNED", "REMOVE", "ORPHANED"] as const) assert.equal(mergeStatus(taskIn("ASSIGNED"), report(state), 5), undefined);
  });
  it("a new message of the same state counts, a repetition does not", () => {
    const merged = mergeStatus(taskIn("PREPARING"), report("PREPARING", { message: "pulling image" }), 5)!;
    assert.equal(merged.status!.message, "pulling image");
    assert.equal(mergeStatus(merged, report("PREPARING", { message: "pulling image", timestampMs: 20 }), 30), undefined);
  });
});
