import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { busyboxImage, dockerSave } from "../../../scripts/base-images.js";
import type { StatsSample } from "../api/index.js";
import { openEngineRig, type EngineRig } from "../testing.js";
import { checkPsArguments, processesOf } from "./core/ps-output.js";
import { hostCpuOf, networksOf, sampleOfV1, sampleOfV2, type Files } from "./sample.js";

const testdata = join(dirname(fileURLToPath(import.meta.url)), "testdata");
const filesOf = (layout: string): Files => Object.fromEntries(readdirSync(join(testdata, layout)).map((name) => [name, readFileSync(join(testdata, layout, name), "utf8")]));
const gigabyte = 2 ** 30;

describe("engine: what a container uses, out of the kernel's files", () => {
  it("cgroup v1, as recorded", () => {
    const sample = sampleOfV1(filesOf("v1"), 24 * gigabyte);
    assert.deepEqual(sample.cpu, { totalNs: 396_151_613, userNs: 380_000_000, systemNs: 10_000_000, perCpuNs: [10_551_150, 385_600_463], periods: 15, throttledPeriods: 12, throttledNs: 694_693_897 });
    const { details, ...memory } = sample.memory;
    assert.deepEqual(memory, { usageBytes: 27_209_728, maxUsageBytes: 27_586_560, limitBytes: 67_108_864, failures: 0 });
    assert.deepEqual([details["cache"], details["rss"], details["total_inactive_file"] !== undefined], [26_214_400, 53_248, true]);
    assert.deepEqual(sample.pids, { current: 1, limit: 20 });
  });
  it("cgroup v2", () => {
    const sample = sampleOfV2(filesOf("v2"), 24 * gigabyte);
    assert.deepEqual(sample.cpu, { totalNs: 396_151_000, userNs: 380_000_000, systemNs: 16_151_000, perCpuNs: [], periods: 15, throttledPeriods: 12, throttledNs: 694_693_000 });
    const { details, ...memory } = sample.memory;
    assert.deepEqual(memory, { usageBytes: 27_209_728, maxUsageBytes: 27_586_560, limitBytes: 67_108_864, failures: 2 });
    assert.deepEqual([details["anon"], details["inactive_file"]], [53_248, 26_214_400]);
    assert.deepEqual(sample.pids, { current: 1, limit: 0 });
  });
  it("I/O by device, the same from both; a device without counters and lines that count again are left out", () => {
    const expected = (minor: number) => [
      { major: 8, minor: 0, op: "read", bytes: 4_096_000, operations: 120 }, { major: 8, minor: 0, op: "write", bytes: 26_214_400, operations: 400 },
      { major: 254, minor, op: "read", bytes: 8192, operations: 2 }, { major: 254, minor, op: "write", bytes: 0, operations: 0 },
    ];
    assert.deepEqual(sampleOfV1(filesOf("v1"), gigabyte).blkio, expected(16));
    assert.deepEqual(sampleOfV2(filesOf("v2"), gigabyte).blkio, expected(0));
  });
  it("no limit is the host's memory; files that are not there count nothing", () => {
    assert.equal(sampleOfV1({ "memory.limit_in_bytes": "9223372036854771712\n" }, gigabyte).memory.limitBytes, gigabyte);
    assert.equal(sampleOfV2({ "memory.max": "max\n" }, gigabyte).memory.limitBytes, gigabyte);
    for (const sample of [sampleOfV1({}, gigabyte), sampleOfV2({}, gigabyte)]) assert.deepEqual([sample.cpu.totalNs, sample.memory.usageBytes, sample.blkio, sample.pids], [0, 0, [], { current: 0, limit: 0 }]);
  });
  it("the host's processors, and the interfaces but the loopback", () => {
    assert.deepEqual(hostCpuOf("cpu  100 10 50 1000 5 1 2 7 0 0\ncpu0 50 5 25 500 2 0 1 3 0 0\ncpu1 50 5 25 500 3 1 1 4 0 0\nintr 1\n"), { hostNs: 11_680_000_000, onlineCpus: 2 });
    const networks = networksOf(readFileSync(join(testdata, "net-dev"), "utf8"));
    assert.deepEqual(Object.keys(networks), ["eth0", "eth1:1"]);
    assert.deepEqual(networks["eth0"], { rxBytes: 131_072, rxPackets: 1024, rxErrors: 1, rxDropped: 2, txBytes: 65_536, txPackets: 512, txErrors: 3, txDropped: 4 });
  });
  it("ps: only its processes, blanks kept in the last column; a column PID by another name is refused", () => {
    const output = "UID          PID    PPID  C STIME TTY          TIME CMD\nroot           1       0  0 10:00 ?        00:00:01 /sbin/init splash\nroot         345       1  0 10:01 ?        00:00:00 sh -c sleep 5\n";
    assert.deepEqual(processesOf(output, new Set([345])), { titles: ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"], processes: [["root", "345", "1", "0", "10:01", "?", "00:00:00", "sh -c sleep 5"]] });
    assert.throws(() => processesOf("COMMAND\nsh\n", new Set([1])), /no column PID/);
    assert.throws(() => checkPsArguments(["-o", "user=PID,pid=USER"]), /not allowed/);
    checkPsArguments(["-o", "user=OWNER,pid"]);
  });
});

describe("engine: stats and top", function () {
  this.timeout(60_000);
  let rig: EngineRig;
  before(async () => { rig = await openEngineRig(); await rig.engine().images.load(dockerSave(await busyboxImage())); });
  after(() => rig.close());
  const sampleOf = async (id: string): Promise<StatsSample> => { for await (const sample of rig.engine().stats(id, { isOneShot: true, signal: new AbortController().signal })) return sample; throw new Error("no sample"); };

  it("count what really is used, and are zero once it has ended", async () => {
    const id = await rig.run("busybox", ["sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; sleep 1000"], { limits: { cpuMillis: 0, memoryBytes: 64 * 1024 * 1024, pids: 7 } });
    let sample = await sampleOf(id);
    for (const end = Date.now() + 20_000; sample.cpu.totalNs < 20_000_000 && Date.now() < end; sample = await sampleOf(id)) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.ok(sample.cpu.totalNs >= 20_000_000 && sample.cpu.hostNs > sample.cpu.totalNs && sample.cpu.onlineCpus > 0, JSON.stringify(sample.cpu));
    assert.ok(sample.memory.usageBytes > 0 && Object.keys(sample.memory.details).length > 10);
    assert.deepEqual([sample.memory.limitBytes, sample.pids.limit, sample.pids.current > 0], [64 * 1024 * 1024, 7, true]);
    await rig.engine().stop(id, { graceMs: 0 });
    const ended = await sampleOf(id);
    assert.deepEqual([ended.cpu.totalNs, ended.memory.usageBytes, ended.pids.current, ended.networks], [0, 0, 0, {}]);
    await rig.engine().remove(id);
    await assert.rejects(sampleOf(id), /no such container|not on this host|No such/i);
  });
  it("come once a second, on the second, however slow their reader is, and end with the signal", async () => {
    const id = await rig.run("busybox", ["sleep", "1000"]);
    const stop = new AbortController();
    const times: number[] = [];
    for await (const { readAtMs } of rig.engine().stats(id, { signal: stop.signal })) {
      times.push(readAtMs);
      if (times.length === 2) await new Promise((resolve) => setTimeout(resolve, 300));
      if (times.length === 4) stop.abort();
    }
    assert.equal(times.length, 4);
    // No drift: a wait that began late ends on time, so three intervals are never shorter than three seconds less one late beginning.
    assert.ok(times[3]! - times[0]! >= 2_900, times.join(" "));
    await rig.engine().remove(id, { force: true });
  });
  it("a stream ends with its container's removal", async () => {
    const id = await rig.run("busybox", ["sleep", "1000"]);
    let count = 0;
    for await (const sample of rig.engine().stats(id, { signal: AbortSignal.timeout(30_000) })) { assert.ok(sample); if (++count === 1) await rig.engine().remove(id, { force: true }); }
    assert.equal(count, 1);
  });
  it("top shows its processes only, as asked, and refuses in ps's words", async () => {
    const id = await rig.run("busybox", ["sh", "-c", "sleep 777 & sleep 888; true"]);
    const commands = async (args: readonly string[]) => (await rig.engine().top(id, args)).processes.map((row) => row.at(-1)).sort();
    for (const end = Date.now() + 10_000; (await commands([])).length < 3 && Date.now() < end;) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(await commands([]), ["sh -c sleep 777 & sleep 888; true", "sleep 777", "sleep 888"]);
    assert.equal((await commands(["aux"])).length, 3);
    assert.deepEqual((await rig.engine().top(id, ["-o", "pid,comm"])).titles, ["PID", "COMMAND"]);
    await assert.rejects(rig.engine().top(id, ["--no-such-option"]), /^SwarmError: Cannot list the processes of container "test-.*": error: (unknown gnu long option|unsupported)/);
    await assert.rejects(rig.engine().top(id, ["-o", "comm"]), /no column PID/);
    await rig.engine().stop(id, { graceMs: 0 });
    await assert.rejects(rig.engine().top(id, []), /it is not running/);
  });
});
