import assert from "node:assert/strict";
import { newClusterSpec, newNode, newNodeDescription, newNodeSpec, newResources, newTask, newTaskStatus, type ClusterSpec, type Node, type NodeSpec } from "../model/index.js";
import { runCommand, startFakeHost } from "./testing.js";

const fresh = { isStale: false, reason: "", index: 7 };
const reserved = {
  nodeId: "n1", tasks: 2, amounts: newResources({ cpuMillis: 2_500, memoryBytes: 2 ** 30, generic: [{ kind: "fpga", count: 1, ids: ["f2"] }] }), gpus: [{ id: "GPU-1", millis: 1_000 }, { id: "GPU-2", millis: 500 }],
};

describe("cli: what nodes have and how they are shared", () => {
  let host: { runDir: string; stop(): Promise<void> };
  let node: Node;
  let spec: ClusterSpec;
  const run = (...argv: string[]) => runCommand(argv, { places: [host.runDir] });

  beforeEach(async () => {
    node = newNode({
      id: "n1", status: { state: "READY", message: "", addr: "10.0.0.1", sinceMs: 0 },
      description: newNodeDescription({
        hostname: "h1", attributes: { "kernel.version": "6.8.0" },
        resources: newResources({ cpuMillis: 8_000, memoryBytes: 2 ** 34, generic: [{ kind: "fpga", count: 2, ids: ["f1", "f2"] }, { kind: "licence", count: 3, ids: [] }], gpus: ["GPU-1", "GPU-2", "GPU-3"].map((id) => ({ id, model: id === "GPU-3" ? "T4" : "A100", memoryBytes: 0 })) }),
      }),
    });
    spec = newClusterSpec();
    host = await startFakeHost({ control: { streams: {}, unary: {
      ListNodes: () => ({ nodes: [node, newNode({ id: "n2" })], read: fresh, reserved: [reserved] }),
      GetNode: () => ({ node, read: fresh, reserved }),
      UpdateNode: (request: { spec: NodeSpec }) => { node = { ...node, spec: request.spec }; return { node }; },
      GetCluster: () => ({ cluster: { id: "c1", spec }, read: fresh, leaderId: "n1" }),
      UpdateCluster: (request: { spec: ClusterSpec }) => { spec = request.spec; return { cluster: { id: "c1", spec } }; },
      ListTasks: () => ({ read: fresh, tasks: [{ task: newTask({ id: "t1", slot: 1, nodeId: "n1", status: newTaskStatus({ state: "RUNNING" }), gpus: [{ id: "GPU-2", millis: 500 }], assigned: [{ kind: "fpga", count: 1, ids: ["f2"] }, { kind: "licence", count: 2, ids: [] }] }), name: "web.1", serviceName: "web", nodeName: "h1", image: "x" }] }),
    } } });
  });
  afterEach(() => host.stop());

  it("node ls shows GPUs, generic resources and taints with how much is reserved, where there are any", async () => {
    node = { ...node, spec: newNodeSpec({ taints: [{ key: "dedicated", value: "ml", effect: "NO_EXECUTE" }, { key: "flaky", value: "", effect: "PREFER_NO_SCHEDULE" }] }) };
    const { stdout } = await run("node", "ls");
    assert.match(stdout, /CPU +MEMORY +GPUS +RESOURCES +TAINTS/);
    assert.match(stdout, /2\.5\/8 +1\.0 GiB\/16\.0 GiB +1\.5\/2 A100, 0\/1 T4 +fpga 1\/2, licence 0\/3 +dedicated=ml:no-execute, flaky:prefer-no-schedule/);
    assert.equal((JSON.parse((await run("node", "ls", "--format", "json")).stdout) as { id: string; reserved: { tasks: number } | null }[]).find(({ id }) => id === "n1")!.reserved?.tasks, 2);
    node = newNode({ id: "n1" });
    assert.doesNotMatch((await run("node", "ls")).stdout, /GPUS|RESOURCES|TAINTS/);
  });

  it("node inspect shows attributes and what is reserved", async () => {
    const { stdout } = await run("node", "inspect", "--pretty", "h1");
    assert.match(stdout, /Attributes:\n +kernel\.version: 6\.8\.0/);
    assert.match(stdout, /Reserved:\n(?: +.*\n)* +Tasks: 2/);
  });

  it("node ps shows what tasks hold of their node", async () => {
    assert.match((await run("node", "ps", "h1")).stdout, /GPU-2 \(0\.5\), fpga f2, licence 2/);
  });

  it("node update adds, replaces and removes taints", async () => {
    await run("node", "update", "--taint-add", "dedicated=ml:no-schedule", "--taint-add", "flaky:no-execute", "h1");
    await run("node", "update", "--taint-add", "dedicated=web:no-schedule", "--taint-add", "dedicated:no-execute", "--taint-rm", "flaky", "h1");
    assert.deepEqual(node.spec!.taints, [{ key: "dedicated", value: "web", effect: "NO_SCHEDULE" }, { key: "dedicated", value: "", effect: "NO_EXECUTE" }]);
    await run("node", "update", "--taint-rm", "dedicated:no-execute", "h1");
    assert.deepEqual(node.spec!.taints.map(({ effect }) => effect), ["NO_SCHEDULE"]);
    await run("node", "update", "--availability", "pause", "h1");
    assert.equal(node.spec!.taints.length, 1, "what no flag names stays");
    for (const [argv, why] of [
      [["--taint-add", "dedicated"], /write KEY\[=VALUE\]:EFFECT/], [["--taint-add", "a:never"], /no-schedule, prefer-no-schedule or no-execute/], [["--taint-rm", "nope"], /it has "dedicated=web:no-schedule"/],
    ] as const) assert.match((await run("node", "update", ...argv, "h1")).stderr, why);
  });

  it("cluster update sets how nodes are shared, member by member", async () => {
    await run("cluster", "update", "--quota", "team-a=cpu=40,memory=100g,gpu=8,tasks=50", "--quota", "b=generic.fpga=2,disk=1t", "--overcommit", "cpu=1.5,memory=1.2", "--overcommit", "node.labels.class==burst:cpu=3", "--usage-aware", "--auto-rebalance", "--preemption", "off", "--placement-strategy", "balanced");
    assert.deepEqual(spec.quotas.map(({ project, tasks, limits }) => [project, tasks, limits!.cpuMillis, limits!.memoryBytes, limits!.gpu?.count ?? 0, limits!.diskBytes, limits!.generic.map(({ kind, count }) => `${kind}=${count}`).join()]), [["team-a", 50, 40_000, 100 * 2 ** 30, 8, 0, ""], ["b", 0, 0, 0, 0, 2 ** 40, "fpga=2"]]);
    assert.deepEqual(spec.overcommit, [{ constraint: "node.labels.class==burst", cpuPercent: 300, memoryPercent: 100 }, { constraint: "", cpuPercent: 150, memoryPercent: 120 }]);
    assert.deepEqual([spec.usageAware, spec.autoRebalance, spec.preemptionOff, spec.placementStrategy], [true, { isOn: true, movesPerHour: 0 }, true, "BALANCED"]);
    await run("cluster", "update", "--quota-rm", "b", "--quota", "team-a=cpu=50", "--overcommit-rm", "all", "--auto-rebalance=20", "--usage-aware=false", "--preemption", "on");
    assert.deepEqual(spec.quotas.map(({ project, tasks, limits }) => [project, tasks, limits!.cpuMillis]), [["team-a", 0, 50_000]]);
    assert.deepEqual([spec.overcommit.length, spec.usageAware, spec.autoRebalance, spec.preemptionOff], [1, false, { isOn: true, movesPerHour: 20 }, false]);
    await run("cluster", "update", "--auto-rebalance", "off");
    assert.equal(spec.autoRebalance?.isOn, false);
    assert.equal(spec.quotas.length, 1, "what no flag names stays");
    for (const [argv, why] of [
      [["--quota", "a=cpus=4"], /"cpus" is not one of its keys: write cpu, memory, gpu, disk, pids, generic\.KIND, tasks/], [["--quota", "a"], /write PROJECT=AMOUNTS, such as team-a=cpu=40/], [["--quota", "a="], /write amounts such as cpu=40/], [["--quota", "a=generic.=1"], /"generic\." is not one of its keys/], [["--overcommit", ""], /write cpu=FACTOR, memory=FACTOR or both/], [["--quota", "a=cpu=-1"], /number of cores/], [["--quota", "a=cpu=1,cpu=2"], /given twice/],
      [["--quota-rm", "zzz"], /the cluster has none of that name; it has "team-a"/], [["--overcommit", "disk=2"], /"disk" cannot be over-committed/], [["--overcommit", "cpu=50"], /not from 0\.1 to 10/], [["--overcommit", "x:cpu=2"], /Cannot use constraint "x"/],
      [["--auto-rebalance=often"], /write on, off or a whole number of moves an hour/], [["--auto-rebalance=0"], /from 1 to 10000/], [["--usage-aware=maybe"], /The value "maybe" of --usage-aware is not possible: the flag alone is yes, and --usage-aware=false is no\./], [["--preemption", "maybe"], /write on or off/],
    ] as const) assert.match((await run("cluster", "update", ...argv)).stderr, why, argv.join(" "));
  });
});
