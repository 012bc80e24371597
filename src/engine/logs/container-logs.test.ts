import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { busyboxImage, dockerSave } from "../../../scripts/base-images.js";
import { waitFor } from "../../lib/testing.js";
import type { ContainerConfig, LogFrameOptions } from "../api/index.js";
import { containerConfig, linesOf, openEngineRig, type EngineRig } from "../testing.js";
import { logDriverNames, registerLogDriver, resolveLogOptions } from "./drivers.js";

const mebibyte = 1024 * 1024;

describe("engine: containers' logs", function () {
  this.timeout(120_000);
  let rig: EngineRig;
  before(async () => {
    rig = await openEngineRig();
    await rig.engine().images.load(dockerSave(await busyboxImage()));
  });
  after(() => rig?.close());
  const run = (script: string, name: string, options: Record<string, string> = {}, more: Partial<ContainerConfig> = {}) => rig.run("busybox", ["sh", "-c", script], { logDriver: { name, options }, ...more });
  const ended = async (script: string, name: string, options: Record<string, string> = {}, more: Partial<ContainerConfig> = {}) => { const id = await run(script, name, options, more); await rig.engine().wait(id); return id; };
  const filesOf = (id: string) => readdirSync(join(rig.config.stateDir, "containers", id, "log")).sort();
  const payload = async (id: string, options: LogFrameOptions = {}) => {
    const hash = createHash("sha256");
    let size = 0;
    for await (const frames of rig.engine().logFrames(id, options)) {
      for (let at = 0; at < frames.length;) {
        const length = frames.readUInt32BE(at + 4);
        hash.update(frames.subarray(at + 8, at + 8 + length));
        size += length;
        at += 8 + length;
      }
    }
    return { size, digest: hash.digest("hex") };
  };

  it("local: rotated, compressed, kept in number, and read as one", async () => {
    const id = await ended("i=0; while [ $i -lt 30000 ]; do echo this is line number $i; i=$((i+1)); done", "local", { "max-size": "300k", "max-file": "100" });
    await waitFor("compression", () => filesOf(id).filter((name) => name.endsWith(".gz")).length === filesOf(id).length - 1);
    assert.ok(filesOf(id).length > 3);
    assert.deepEqual(await linesOf(rig.engine().logs(id, {})), Array.from({ length: 30_000 }, (_, i) => `this is line number ${i}`));
    assert.deepEqual(await linesOf(rig.engine().logs(id, { tail: 2 })), ["this is line number 29998", "this is line number 29999"]);
    const few = await ended("i=0; while [ $i -lt 30000 ]; do echo this is line number $i; i=$((i+1)); done", "local", { "max-size": "300k", "max-file": "3", compress: "false" });
    assert.equal(filesOf(few).length, 3);
    const kept = await linesOf(rig.engine().logs(few, {}));
    assert.equal(kept.at(-1), "this is line number 29999");
    assert.ok(kept.length < 30_000);
  });

  it("local: a flood leaves no more files than were asked for, however slowly they are compressed", async () => {
    const id = await ended("yes this is a line that is not very long | head -c 100000000", "local", { "max-size": "1m", "max-file": "3" });
    await waitFor("compression", () => filesOf(id).every((name, at, all) => !name.endsWith(".packing") && all.length <= 3));
    assert.equal(filesOf(id).length, 3);
  });

  it("local: keeps any bytes as they were, and the lines of each life", async () => {
    const id = await ended("printf '\\377\\376\\000\\200\\n\\303'; printf 'x\\n' >&2", "local");
    const expected = Buffer.from([0xff, 0xfe, 0, 0x80, 0x0a, 0xc3]);
    assert.equal((await payload(id, { stderr: false })).digest, createHash("sha256").update(expected).digest("hex"));
    const before = (await linesOf(rig.engine().logs(id, {}))).length;
    await rig.engine().start(id);
    await rig.engine().wait(id);
    assert.equal((await linesOf(rig.engine().logs(id, { stdout: false }))).length, 2);
    assert.ok((await linesOf(rig.engine().logs(id, {}))).length > before);
    assert.equal(filesOf(id).length, 1);
  });

  for (const driver of ["json-file", "local"]) {
    it(`${driver}: a line of 200 MB without an end takes no memory, and all of it is there`, async () => {
      const id = await run("yes 0123456789abcdef | tr -d '\\n' | head -c 200000000; read x", driver, { "max-size": "1g" }, { openStdin: true });
      const { monitorPid } = JSON.parse(readFileSync(join(rig.config.runDir, "containers", id, "monitor.json"), "utf8")) as { monitorPid: number };
      await waitFor("most of it", async () => (await payload(id)).size > 199_000_000, 60_000);
      const peak = Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${monitorPid}/status`, "utf8"))![1]);
      assert.ok(peak < 2048, `${peak} KiB`);
      await rig.engine().stop(id, { graceMs: 0 });
      const hash = createHash("sha256");
      const block = Buffer.from("0123456789abcdef".repeat(62_500));
      for (let i = 0; i < 200; i++) hash.update(block);
      assert.deepEqual(await payload(id), { size: 200_000_000, digest: hash.digest("hex") });
      await rig.engine().remove(id);
    });
  }

  it("follow across rotation and daemon restarts, each reader from where it was", async () => {
    const id = await run("i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); [ $((i % 100)) = 0 ] && usleep 20000; done", "local", { "max-size": "10k", "max-file": "100" });
    const seen: string[] = [];
    let last = 0n;
    const follow = async () => {
      for await (const { line, timestamp } of rig.engine().logs(id, { follow: true, ...(last ? { sinceNs: last + 1n } : {}) })) {
        seen.push(line.toString());
        last = BigInt(Date.parse(`${timestamp.slice(0, 19)}Z`)) * 1_000_000n + BigInt(timestamp.slice(20, 29));
      }
    };
    const first = follow();
    await waitFor("some lines", () => seen.length > 300);
    await rig.reopen();
    await first;
    await follow();
    assert.deepEqual(seen, Array.from({ length: 3000 }, (_, i) => `line ${i}`));
  });

  it("a follower of one that was not started yet sees all of its life", async () => {
    const config = containerConfig({ args: ["sh", "-c", "echo a; echo b"], logDriver: { name: "local", options: {} } });
    await rig.engine().create(config);
    const lines = linesOf(rig.engine().logs(config.id, { follow: true }));
    await rig.engine().start(config.id);
    assert.deepEqual(await lines, ["a", "b"]);
  });

  it("json-file: labels, variables and a tag go with each record", async () => {
    const id = await ended("echo hi", "json-file", { labels: "team,absent", "env-regex": "^APP_", tag: "{{.Name}}/{{.ID}}" }, { labels: { team: "core", other: "x" }, env: ["APP_A=1", "B=2"], name: "tagged" });
    const [record] = readFileSync(join(rig.config.stateDir, "containers", id, "log", "json.log"), "utf8").split("\n");
    assert.deepEqual((JSON.parse(record!) as { attrs: unknown }).attrs, { team: "core", APP_A: "1", tag: `tagged/${id.slice(0, 12)}` });
    assert.deepEqual(await rig.output(id), ["hi"]);
  });

  it("none: nothing is kept, and reading says so", async () => {
    const id = await ended("echo hi", "none");
    assert.deepEqual(filesOf(id), []);
    await assert.rejects(linesOf(rig.engine().logs(id, {})), /keeps no logs: its log driver is none/);
  });

  it("one that floods its log does not slow another", async () => {
    const flood = await run("yes 0123456789012345678901234567890123456789", "json-file", { "max-size": "10m", "max-file": "2" });
    await waitFor("a rotation", () => filesOf(flood).length === 2);
    const id = await ended("i=0; while [ $i -lt 1000 ]; do echo line $i; i=$((i+1)); done", "json-file");
    assert.equal((await linesOf(rig.engine().logs(id, {}))).length, 1000);
    assert.equal((await rig.engine().exec(flood, { command: ["echo", "still here"], timeoutMs: 10_000 })).output, "still here\n");
    await rig.engine().remove(flood, { force: true });
  });

  it("details come between time and line: what the options name, or nothing", async () => {
    const detailed = async (id: string, options: LogFrameOptions = {}) => {
      const parts: Buffer[] = [];
      for await (const bytes of rig.engine().logFrames(id, { details: true, ...options })) parts.push(bytes);
      return Buffer.concat(parts).toString("latin1");
    };
    const id = await ended("echo said", "json-file", { labels: "team", env: "COLOUR" }, { labels: { team: "a b", other: "x" }, env: ["COLOUR=red"] });
    assert.match(await detailed(id, { timestamps: true }), /^.{8}\d{4}-[\d:.T-]+Z COLOUR=red,team=a\+b said\n$/s);
    assert.match(await detailed(await ended("echo said", "local")), /^.{8} said\n$/s);
  });
  it("a terminal's log is its bytes", async () => {
    const id = await ended("echo a; echo b", "local", {}, { tty: true });
    const parts: Buffer[] = [];
    for await (const bytes of rig.engine().logFrames(id, {})) parts.push(bytes);
    assert.equal(Buffer.concat(parts).toString(), "a\r\nb\r\n");
  });
});

describe("engine: log drivers", () => {
  it("are registered by name, and an unknown one is refused with what there is", () => {
    const remove = registerLogDriver({ name: "test-quiet", options: ["level"], settings: () => resolveLogOptions({ name: "local", options: { "max-size": "1m" } }) });
    assert.ok(logDriverNames().includes("test-quiet"));
    assert.equal(resolveLogOptions({ name: "test-quiet", options: { level: "3" } }).maxSizeBytes, mebibyte);
    assert.throws(() => resolveLogOptions({ name: "test-quiet", options: { colour: "red" } }), /Log option "colour" is not known; test-quiet takes level/);
    assert.throws(() => registerLogDriver({ name: "local", options: [], settings: () => resolveLogOptions(undefined) }), /there is one of that name/);
    assert.throws(() => resolveLogOptions({ name: "syslog", options: {} }), /Log driver "syslog" is not known; there is json-file, local, none and test-quiet/);
    remove();
    assert.throws(() => resolveLogOptions({ name: "test-quiet", options: {} }), /there is json-file, local and none/);
  });
  it("local keeps 20 MiB × 5, compressed", () => {
    const { maxSizeBytes, maxFiles, isCompressed } = resolveLogOptions({ name: "local", options: {} });
    assert.deepEqual([maxSizeBytes, maxFiles, isCompressed], [20 * mebibyte, 5, true]);
  });
});
