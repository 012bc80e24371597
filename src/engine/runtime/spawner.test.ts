import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildMonitor } from "../testing.js";
import { isAlive } from "./process-identity.js";
import { mountsBelow } from "./mountinfo.js";
import { mountOverlay, unmount } from "./mounts.js";
import { runProgram } from "./program.js";
import { encodeRun } from "./spawner-frames.js";
import { Spawner } from "./spawner.js";

const startTime = (pid: number) => Number(readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ")[19]);
async function until(what: string, holds: () => boolean | Promise<boolean>) {
  for (const end = Date.now() + 10_000; Date.now() < end;) { if (await holds()) return; await new Promise((resolve) => setTimeout(resolve, 5)); }
  assert.fail(`not within 10 s: ${what}`);
}

describe("engine: the spawn helper", function () {
  this.timeout(60_000);
  let handle: { close(): Promise<void> };
  let directory: string;
  before(async () => { handle = await Spawner.open(buildMonitor()); directory = mkdtempSync(join(tmpdir(), "skein-spawner-")); });
  after(async () => { await handle.close(); rmSync(directory, { recursive: true, force: true }); });

  it("runs programs and gives back what they print, their exit code, and the signal that ended them", async () => {
    const result = await runProgram("sh", ["-c", "echo out; echo err >&2; exit 7"]);
    assert.deepEqual([result.code, result.stdout, result.stderr, result.isTimedOut], [7, "out\n", "err\n", false]);
    assert.equal((await runProgram("sh", ["-c", "kill -9 $$"])).code, 137);
  });
  it("gives standard input, an environment and a directory", async () => {
    const input = "x".repeat(3_000_000);
    assert.equal((await runProgram("wc", ["-c"], { stdin: input })).stdout.trim(), "3000000");
    assert.equal((await runProgram("sh", ["-c", "cat; echo $A-$HOME; pwd"], { env: { A: "1", PATH: process.env["PATH"]! }, cwd: directory })).stdout, `1-\n${directory}\n`);
  });
  it("a program that does not read its input ends all the same", async () => {
    assert.equal((await runProgram("true", [], { stdin: "y".repeat(1_000_000) })).code, 0);
  });
  it("a program that cannot be started says so", async () => {
    const missing = await runProgram("/no/such/program", []);
    assert.deepEqual([missing.code, missing.stderr], [127, "cannot run /no/such/program: No such file or directory"]);
    assert.match((await runProgram("/etc/passwd", [])).stderr, /Permission denied/);
    assert.match((await runProgram("true", [], { cwd: "/no/such" })).stderr, /No such file/);
  });
  it("output is bounded, and its writer never waits", async () => {
    const result = await runProgram("head", ["-c", "50000000", "/dev/zero"]);
    assert.deepEqual([result.code, result.stdout.length, result.output.length], [0, 65_536, 65_536]);
  });
  it("time that is up and signals kill it", async () => {
    const late = await runProgram("sleep", ["100"], { timeoutMs: 30 });
    assert.deepEqual([late.isTimedOut, late.code], [true, 137]);
    const controller = new AbortController();
    const aborted = runProgram("sleep", ["100"], { signal: controller.signal });
    controller.abort();
    assert.equal((await aborted).code, 137);
  });
  it("what a program leaves behind does not hold its answer", async () => {
    const result = await runProgram("sh", ["-c", "sleep 20 & echo $!"]);
    assert.equal(result.code, 0);
    process.kill(Number(result.stdout), "SIGKILL");
  });
  it("hundreds at once each get their own answer", async () => {
    const results = await Promise.all(Array.from({ length: 400 }, (_, i) => runProgram("sh", ["-c", `echo ${i}; exit ${i % 100}`])));
    results.forEach((result, i) => assert.deepEqual([result.stdout, result.code], [`${i}\n`, i % 100]));
  });
  it("programs get none of its file descriptors and none of its ignored signals", async () => {
    assert.equal((await runProgram("sh", ["-c", "ls /proc/self/fd | sort -n | tr '\\n' ' '"])).stdout, "0 1 2 3 ");   // 3: ls reads the directory
    assert.match((await runProgram("grep", ["-E", "Sig(Ign|Blk)", "/proc/self/status"])).stdout, /^SigBlk:\s0+\nSigIgn:\s0+\n$/);
  });
  it("a request that is too large, or has a zero byte inside, is refused and the next one works", async () => {
    assert.match((await runProgram("true", ["a".repeat(9_000_000)])).stderr, /too large/);
    assert.match((await runProgram("true", ["a\0b"])).stderr, /malformed/);
    assert.equal((await runProgram("true", [])).code, 0);
  });
  it("killed, it says so to whom it concerns, takes its programs along, and is there again for the next", async () => {
    const running = runProgram("sh", ["-c", `echo $$ > ${directory}/pid; exec sleep 100`]);
    await until("the program runs", () => { try { return readFileSync(join(directory, "pid"), "utf8").endsWith("\n"); } catch { return false; } });
    const pid = Number(readFileSync(join(directory, "pid"), "utf8"));
    const identity = { pid, startTime: startTime(pid) };
    process.kill(Spawner.current()!.pid!, "SIGKILL");
    const result = await running;
    assert.deepEqual([result.code, /was killed meanwhile/.test(result.stderr)], [127, true]);
    await until("the program is gone", async () => !(await isAlive(identity)));
    assert.equal((await runProgram("echo", ["again"])).stdout, "again\n");
  });
  it("garbage ends nothing but its own answer", async () => {
    const helper = spawn(buildMonitor(), ["spawner"], { stdio: ["pipe", "pipe", "inherit"] });
    const answers: Buffer[] = [];
    helper.stdout.on("data", (bytes: Buffer) => answers.push(bytes));
    const u32 = (value: number) => { const bytes = Buffer.alloc(4); bytes.writeUInt32LE(value); return bytes; };
    const good = encodeRun(7, { argv: ["true"], outputLimitBytes: 10 });
    const whole = Buffer.concat([
      u32(5), u32(1), Buffer.of(99),                                                       // no such request
      u32(9), u32(2), Buffer.of(1), u32(0xffff_ffff),                                      // a RUN that ends too early
      u32(9), u32(3), Buffer.of(4), u32(0xffff_ffff),                                      // a list longer than the frame
      u32(20_000_000), u32(4), Buffer.alloc(20_000_000 - 4),                               // too large: read over
      u32(5 + 1), u32(6), Buffer.of(2, 1),                                                 // a KILL without a number
      u32(2), u32(5),                                                                      // smaller than a frame can be
      good,
    ]);
    for (let at = 0; at < whole.length; at += 1_000_003) helper.stdin.write(whole.subarray(at, at + 1_000_003));
    await until("the last is answered", () => Buffer.concat(answers).includes(Buffer.concat([u32(7), Buffer.of(2), u32(0)])));
    const exited = new Promise((resolve) => helper.once("exit", resolve));
    helper.stdin.end();
    assert.equal(await exited, 0);
  });
  it("mounts layers and takes them away; a mount that fails leaves nothing", async () => {
    for (const name of ["low1", "low2", "up", "work", "target"]) mkdirSync(join(directory, name));
    writeFileSync(join(directory, "low1/a"), "1");
    writeFileSync(join(directory, "low2/b"), "2");
    const target = join(directory, "target");
    await mountOverlay({ target, directory, lower: ["low1", "low2"], upper: "up", work: "work" });
    assert.deepEqual(readdirSync(target).sort(), ["a", "b"]);
    await unmount(target, target, join(directory, "nothing"));
    await assert.rejects(mountOverlay({ target, directory, lower: ["low1", "missing"], upper: "up", work: "work" }), /cannot mount its root filesystem: /);
    assert.deepEqual(mountsBelow(readFileSync("/proc/self/mountinfo", "utf8"), directory), []);
    assert.equal((await runProgram("pwd", [])).stdout.trim(), process.cwd());
  });
  it("hundreds of layers fit, however long their paths", async () => {
    const lower = Array.from({ length: 300 }, (_, i) => { const name = `layer-${i}-${"x".repeat(100)}`; mkdirSync(join(directory, name)); writeFileSync(join(directory, name, `f${i}`), ""); return name; });
    const target = join(directory, "target");
    await mountOverlay({ target, directory, lower, upper: "up", work: "work" });
    try { assert.ok(readdirSync(target).length >= 300); } finally { await unmount(target); }
  });
});
