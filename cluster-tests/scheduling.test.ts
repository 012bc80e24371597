import assert from "node:assert/strict";
import { story, waitFor, type Cluster, type TaskRow } from "./harness.js";
import { LabHosts } from "./lab-hosts.js";

const w1Flags = ["--gpu=A100=g0,g1", "--generic-resource=fpga=f1,f2"];
const sleeper = ["--init", "busybox", "sleep", "3600"];
const onWorkers = ["--constraint", "node.role==worker"];

/** Tasks that were stopped, with why. */
async function stopped(cluster: Cluster, service: string): Promise<[name: string, reason: string][]> {
  const views = await cluster.json<any[]>(["service", "ps", service]);
  return views.filter((view) => view.task.desiredState === "SHUTDOWN").map((view) => [view.name, view.task.stopReason]);
}

/** What its container sees of its resources. */
async function environment(cluster: Cluster, task: TaskRow): Promise<Map<string, string>> {
  const { stdout } = await cluster.inContainer(task, ["cat", "/proc/1/environ"]);
  return new Map(stdout.split("\0").filter((line) => line.includes("=")).map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
}

async function waitForReason(cluster: Cluster, service: string, pattern: RegExp): Promise<void> {
  await waitFor(`a task of ${service} that waits because of ${pattern}`, async () => (await cluster.tasks(service)).some((task) => task.node === "" && pattern.test(task.err)));
}

story("scheduling", { managers: 1, workers: 2, hostFlags: { w1: w1Flags, w2: ["--generic-resource=fpga=1"] } }, (cluster) => {
  /** Half of a worker's CPU: four tasks fill both. */
  let half = "";
  const create = (name: string, ...args: string[]) => cluster().ok(["service", "create", "-q", "--detach", "--name", name, ...args, ...sleeper]);
  const remove = async (...names: string[]) => {
    await cluster().ok(["service", "rm", ...names]);
    await waitFor(`${names.join(", ")} gone`, async () => (await cluster().json<any[]>(["service", "ls"])).every((row) => !names.includes((row.service ?? row).spec?.name)));
  };
  before(async () => { half = String(Math.floor((await cluster().cpuMillis("w1")) / 2) / 1000); });

  it("a task that waits explains itself, and the first thing that is suggested makes it run", async () => {
    for (const [name, flags, kind] of [["labelled", ["--constraint", "node.labels.disk==ssd"], "predicate"], ["large", ["--reserve-memory", "900g"], "amount"]] as const) {
      await create(name, ...flags);
      await waitForReason(cluster(), name, /no node fits/);
      const answer = await cluster().json(["explain", name]);
      assert.equal(answer.fits, false);
      assert.deepEqual(answer.suggestions[0].kinds, [kind]);
      const [program, ...args] = (answer.suggestions[0].command as string).split(" ");
      assert.equal(program, "swarmctl");
      await cluster().ok(args);
      await cluster().waitRunning(name, 1);
      assert.match(await cluster().ok(["explain", `${name}.1`]), new RegExp(`${name}\\.1 is on `));
    }
    await remove("labelled", "large");
  });

  it("a spec is explained that was never submitted", async () => {
    const spec = ["--reserve-cpu", half, ...onWorkers, ...sleeper];
    const explain = (replicas: number) => cluster().ctl(["service", "create", "--explain-only", "--format", "json", "--name", "never", "--replicas", String(replicas), ...spec]);
    const [four, five] = [await explain(4), await explain(5)];
    assert.deepEqual([four.code, JSON.parse(four.stdout).placed], [0, 4]);
    assert.deepEqual([five.code, JSON.parse(five.stdout).placed], [3, 4]);
    assert.deepEqual(await cluster().json(["service", "ls"]), []);
  });

  it("a higher priority makes room, by no more victims than it needs, and they come back when it goes", async () => {
    await create("low", "--replicas", "4", "--priority", "-10", "--reserve-cpu", half, ...onWorkers);
    await cluster().waitRunning("low", 4);
    await create("equal", "--priority", "-10", "--reserve-cpu", half, ...onWorkers);
    await create("high", "--priority", "100", "--reserve-cpu", half, ...onWorkers);
    const [task] = await cluster().waitRunning("high", 1);
    assert.ok(cluster().workers.includes(task!.node));
    const victims = await stopped(cluster(), "low");
    assert.deepEqual(victims.map(([, reason]) => reason), ["preempted by high (priority 100)"]);
    await waitForReason(cluster(), "low", /CPU/);
    await waitForReason(cluster(), "equal", /CPU/);
    await remove("equal", "high");
    await cluster().waitRunning("low", 4);
    assert.equal((await stopped(cluster(), "low")).length, 1);
    await remove("low");
  });

  it("a gang starts all at once, or waits", async () => {
    await create("gang", "--gang", "--replicas", "5", "--reserve-cpu", half, ...onWorkers);
    await waitForReason(cluster(), "gang", /gang of 5: 4 fit/);
    assert.ok((await cluster().tasks("gang")).every((task) => task.node === ""));
    const answer = await cluster().json(["explain", "gang"]);
    assert.match(answer.headline, /only 4 fit/);
    await cluster().ok(["service", "scale", "--detach", "gang=4"]);
    await cluster().waitRunning("gang", 4);
    await remove("gang");
  });

  it("quotas hold back what is above them, until they are raised", async () => {
    await cluster().ok(["cluster", "update", "--quota", "ml=tasks=2,memory=1g"]);
    await create("quoted", "--project", "ml", "--replicas", "3", "--reserve-memory", "16m");
    await cluster().waitRunning("quoted", 2);
    await waitForReason(cluster(), "quoted", /project ml has 2 of 2 tasks/);
    await cluster().ok(["cluster", "update", "--quota", "ml=tasks=3,memory=1g"]);
    await cluster().waitRunning("quoted", 3);
    await cluster().ok(["cluster", "update", "--quota-rm", "ml"]);
    await remove("quoted");
  });

  it("a taint with no-execute sends tasks away, but for those that tolerate it", async () => {
    await create("plain", "--replicas", "3", "--placement-strategy", "spread");
    await create("tolerant", "--tolerate", "dedicated=ml", "--constraint", "node.hostname==w1");
    await cluster().waitRunning("plain", 3);
    await cluster().waitRunning("tolerant", 1);
    await cluster().ok(["node", "update", "--taint-add", "dedicated=ml:no-execute", "w1"]);
    await waitFor("plain runs elsewhere", async () => { const tasks = await cluster().running("plain"); return tasks.length === 3 && tasks.every((task) => task.node !== "w1"); }, 30_000);
    assert.deepEqual((await stopped(cluster(), "plain")).map(([, reason]) => /taint dedicated=ml/.test(reason)), [true]);
    assert.equal((await cluster().running("tolerant"))[0]!.node, "w1");
    await cluster().ok(["node", "update", "--taint-rm", "dedicated", "w1"]);
    await remove("plain", "tolerant");
  });

  it("a container is told of the GPUs and generic resources that it has, nobody else has them, and they are free again after it", async () => {
    await create("train", "--replicas", "3", "--gpu", "1", "--generic-resource", "fpga=1");
    const tasks = await cluster().waitRunning("train", 2);
    await waitForReason(cluster(), "train", /GPU/);
    const seen = await Promise.all(tasks.map((task) => environment(cluster(), task)));
    assert.deepEqual(seen.map((each) => each.get("NVIDIA_VISIBLE_DEVICES")).sort(), ["g0", "g1"]);
    assert.deepEqual(seen.map((each) => each.get("DOCKER_RESOURCE_FPGA")).sort(), ["f1", "f2"]);
    await create("counted", "--generic-resource", "fpga=1");
    const [counted] = await cluster().waitRunning("counted", 1);
    assert.deepEqual([counted!.node, (await environment(cluster(), counted!)).get("DOCKER_RESOURCE_FPGA")], ["w2", "1"]);
    await remove("train");
    await create("shares", "--replicas", "4", "--gpu", "0.5:A100");
    const shared = await Promise.all((await cluster().waitRunning("shares", 4)).map((task) => environment(cluster(), task)));
    assert.deepEqual(shared.map((each) => each.get("NVIDIA_VISIBLE_DEVICES")).sort(), ["g0", "g0", "g1", "g1"]);
    await remove("counted", "shares");
  });

  it("who has a device that its host loses goes, nobody else, and nobody gets what another has", async () => {
    await create("pair", "--replicas", "2", "--gpu", "1", "--generic-resource", "fpga=1");
    const before = await cluster().waitRunning("pair", 2);
    const holder = new Map(await Promise.all(before.map(async (task) => [(await environment(cluster(), task)).get("NVIDIA_VISIBLE_DEVICES"), task] as const)));
    await (cluster().hosts as LabHosts).restartDaemon("w1", ["--gpu=A100=g1", w1Flags[1]!]);
    await waitFor("its holder is stopped", async () => (await stopped(cluster(), "pair")).length === 1, 40_000);
    assert.deepEqual(await stopped(cluster(), "pair"), [[holder.get("g0")!.name, "node w1 has no GPU g0 any more"]]);
    await waitForReason(cluster(), "pair", /GPU/);
    assert.deepEqual((await cluster().running("pair")).map((task) => task.id), [holder.get("g1")!.id]);
    await (cluster().hosts as LabHosts).restartDaemon("w1", w1Flags);
    const after = await cluster().waitRunning("pair", 2, 40_000);
    assert.deepEqual((await Promise.all(after.map(async (task) => (await environment(cluster(), task)).get("NVIDIA_VISIBLE_DEVICES")))).sort(), ["g0", "g1"]);
    await remove("pair");
  });
});
