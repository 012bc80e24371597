import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { busyboxImage, dockerSave } from "../../../scripts/base-images.js";
import { codeOf } from "../../lib/index.js";
import { FakeClock, waitFor } from "../../lib/testing.js";
import type { EngineEvent, ExecConfig, ProcessStreams } from "../api/index.js";
import { openEngineRig, type EngineRig } from "../testing.js";

const forever = ["sleep", "1000"];

async function textOf(streams: ProcessStreams | undefined): Promise<string> {
  const parts: Buffer[] = [];
  for await (const { bytes } of streams!.output) parts.push(bytes);
  return Buffer.concat(parts).toString();
}

describe("engine: execs", function () {
  this.timeout(60_000);
  let rig: EngineRig;
  let id: string;
  before(async () => {
    rig = await openEngineRig();
    await rig.engine().images.load(dockerSave(await busyboxImage()));
    id = await rig.run("busybox", forever, { env: ["A=1"], workdir: "/tmp" });
  });
  after(() => rig?.close());
  const configOf = (command: string[], more: Partial<ExecConfig> = {}): ExecConfig => ({ containerId: id, command, tty: false, attachStdin: false, attachStdout: true, attachStderr: true, ...more });
  const start = async (command: string[], more: Partial<ExecConfig> = {}, isDetached = false) => {
    const exec = await rig.engine().execs.create(configOf(command, more));
    return { exec, streams: await rig.engine().execs.start(exec, { tty: more.tty ?? false, isDetached }) };
  };
  const ended = async (exec: string) => { await waitFor("its end", () => !rig.engine().execs.inspect(exec).isRunning); return rig.engine().execs.inspect(exec).exitCode; };

  it("have both streams, an exit code once the output has ended, and the container's surroundings", async () => {
    const { exec, streams } = await start(["sh", "-c", "echo $A $B $PWD; echo err >&2; exit 5"], { env: ["B=2"] });
    const seen: string[] = [];
    for await (const { stream, bytes } of streams!.output) seen.push(`${stream} ${bytes}`);
    assert.deepEqual(seen.sort(), ["stderr err\n", "stdout 1 2 /tmp\n"]);
    const state = rig.engine().execs.inspect(exec);
    assert.deepEqual([state.isRunning, state.exitCode], [false, 5]);
    assert.ok(state.pid > 1);
  });

  it("have user, working directory and privileges as asked", async () => {
    const { streams } = await start(["sh", "-c", "id -u; pwd; grep CapEff /proc/self/status"], { user: "www-data", workdir: "/etc" });
    assert.deepEqual((await textOf(streams)).split("\n").slice(0, 3), ["33", "/etc", "CapEff:\t0000000000000000"]);
    const capabilities = async (privileged: boolean) => BigInt(`0x${/CapEff:\s+(\w+)/.exec(await textOf((await start(["cat", "/proc/self/status"], { privileged })).streams))![1]}`);
    assert.ok((await capabilities(true)) > (await capabilities(false)));
  });

  it("take input to its end", async () => {
    const { exec, streams } = await start(["sh", "-c", "wc -c; exit 3"], { attachStdin: true });
    for (let i = 0; i < 100; i++) streams!.stdin!.write(Buffer.alloc(10_000, "x"));
    streams!.stdin!.end();
    assert.equal((await textOf(streams)).trim(), "1000000");
    assert.equal(rig.engine().execs.inspect(exec).exitCode, 3);
  });

  it("have a terminal of the size that was asked for, before and after the start", async () => {
    const exec = await rig.engine().execs.create(configOf(["sh", "-c", "tty; until [ \"$(stty size)\" = '30 100' ]; do sleep 0.01; done; trap 'stty size; exit 4' WINCH; echo sized; while :; do sleep 0.05; done"], { tty: true }));
    const streams = (await rig.engine().execs.start(exec, { tty: true, isDetached: false, size: { rows: 30, columns: 100 } }))!;
    assert.equal(streams.isTty, true);
    let text = "";
    const done = (async () => { for await (const { bytes } of streams.output) text += bytes.toString(); })();
    // crun sets a terminal's first size for containers only: for an exec it may come a moment after the start, as with dockerd.
    await waitFor("its size", () => text.includes("sized\r\n"));
    assert.match(text, /^\/dev\/pts\/\d+\r\n/);
    await rig.engine().execs.resize(exec, { rows: 44, columns: 111 });
    await done;
    assert.ok(text.endsWith("44 111\r\n"));
    assert.equal(rig.engine().execs.inspect(exec).exitCode, 4);
    await assert.rejects(rig.engine().execs.resize(exec, { rows: 1, columns: 1 }), /it has ended/);
  });

  it("run detached, and are listed while they run", async () => {
    const { exec, streams } = await start(["sh", "-c", "sleep 0.3; exit 9"], {}, true);
    assert.equal(streams, undefined);
    assert.deepEqual([rig.engine().execs.of(id), (await rig.engine().find(id)).execIds], [[exec], [exec]]);
    assert.equal(rig.engine().execs.inspect(exec).isRunning, true);
    assert.equal(await ended(exec), 9);
    assert.deepEqual(rig.engine().execs.of(id), []);
    const tty = await start(["sh", "-c", "tty && exit 6"], { tty: true }, true);
    assert.equal(await ended(tty.exec), 6);
  });

  it("that cannot be started have Docker's exit code and sentence", async () => {
    const fails = async (command: string[], pattern: RegExp, exitCode: number) => {
      const exec = await rig.engine().execs.create(configOf(command));
      await assert.rejects(rig.engine().execs.start(exec, { tty: false, isDetached: false }), pattern);
      assert.deepEqual([rig.engine().execs.inspect(exec).isRunning, rig.engine().execs.inspect(exec).exitCode], [false, exitCode]);
    };
    await fails(["nope"], /OCI runtime exec failed: exec failed: unable to start container process: exec: "nope": executable file not found in \$PATH: unknown/, 127);
    await fails(["/no/such"], /exec: "\/no\/such": stat \/no\/such: no such file or directory/, 127);
    await fails(["/etc/passwd"], /exec: "\/etc\/passwd": permission denied/, 126);
    await assert.rejects(rig.engine().execs.create(configOf([])), /no command was given/);
    const bad = await rig.engine().execs.create(configOf(["true"], { user: "kermit" }));
    await assert.rejects(rig.engine().execs.start(bad, { tty: false, isDetached: false }), /user "kermit" is not in the image/);
  });

  it("start once, need a running container, and unknown ones are not found", async () => {
    const { exec, streams } = await start(["true"]);
    await textOf(streams);
    await assert.rejects(rig.engine().execs.start(exec, { tty: false, isDetached: false }), /has already run/);
    assert.throws(() => rig.engine().execs.inspect("nope"), (error: Error) => codeOf(error) === "NOT_FOUND" && /No such exec instance: "nope"/.test(error.message));
    const other = await rig.run("busybox", ["true"]);
    await rig.engine().wait(other);
    await assert.rejects(rig.engine().execs.create(configOf(["true"], { containerId: other })), /it is not running/);
    await rig.engine().pause(id);
    await assert.rejects(rig.engine().execs.create(configOf(["true"])), /it is paused; unpause it first/);
    await rig.engine().unpause(id);
  });

  it("tell of themselves as events", async () => {
    const seen: EngineEvent[] = [];
    const ending = new AbortController();
    const reading = (async () => { for await (const event of rig.engine().events.stream({ signal: ending.signal })) { seen.push(event); if (event.action === "exec_die") ending.abort(); } })();
    const { exec, streams } = await start(["sh", "-c", "exit 2"]);
    await textOf(streams);
    await reading;
    assert.deepEqual(seen.map((event) => event.action), ["exec_create: sh -c exit 2", "exec_start: sh -c exit 2", "exec_die"]);
    assert.deepEqual([seen[2]!.actorId, seen[2]!.attributes.execID, seen[2]!.attributes.exitCode], [id, exec, "2"]);
  });

  it("end with their container, and say so", async () => {
    const other = await rig.run("busybox", forever);
    const exec = await rig.engine().execs.create(configOf(forever, { containerId: other }));
    const streams = await rig.engine().execs.start(exec, { tty: false, isDetached: false });
    await rig.engine().stop(other, { graceMs: 0 });
    await textOf(streams);
    assert.equal(rig.engine().execs.inspect(exec).exitCode, 137);
    await rig.engine().remove(other);
    assert.throws(() => rig.engine().execs.inspect(exec), /No such exec instance/);
  });

  it("outlive the daemon, with their exit codes", async () => {
    const { exec: long, streams } = await start(["sh", "-c", "sleep 1; exit 11"]);
    const { exec: short } = await start(["sh", "-c", "sleep 0.2; exit 12"], {}, true);
    const text = textOf(streams);
    await rig.reopen();
    await text;
    assert.equal(rig.engine().execs.inspect(long).isRunning, true);
    assert.equal(await ended(long), 11);
    assert.equal(await ended(short), 12);
    assert.deepEqual(rig.engine().execs.inspect(long).config.command, ["sh", "-c", "sleep 1; exit 11"]);
  });

  it("one whose monitor is killed is ended", async () => {
    const { exec } = await start(forever, {}, true);
    const { pid } = rig.engine().execs.inspect(exec);
    const { monitorPid } = JSON.parse(readFileSync(join(rig.config.runDir, "containers", id, "execs", exec, "monitor.json"), "utf8")) as { monitorPid: number };
    process.kill(monitorPid, "SIGKILL");
    assert.equal(await ended(exec), 137);
    await waitFor("the process's end", () => { try { return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8")); } catch { return true; } });
  });

  it("collect: output of both streams in the order of time, bounded, with an end when time is up", async () => {
    const exec = (command: string[], timeoutMs = 10_000) => rig.engine().exec(id, { command, timeoutMs });
    assert.deepEqual(await exec(["sh", "-c", "echo a; exit 5"]), { exitCode: 5, output: "a\n", isTimedOut: false });
    assert.equal((await exec(["sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' x"])).output.length, 65_536);
    const late = await exec(forever, 200);
    assert.deepEqual([late.exitCode, late.isTimedOut], [137, true]);
    assert.equal((await exec(["nope"])).exitCode, 127);
  });

  it("twenty at once, and leave nothing", async () => {
    const texts = await Promise.all(Array.from({ length: 20 }, async (_, i) => textOf((await start(["echo", String(i)])).streams)));
    assert.deepEqual(texts, Array.from({ length: 20 }, (_, i) => `${i}\n`));
    await waitFor("their directories to go", () => readdirSync(join(rig.config.runDir, "containers", id, "execs")).length === 0);
  });
});

describe("engine: finished execs", function () {
  this.timeout(60_000);
  it("are forgotten after five minutes", async () => {
    const clock = new FakeClock();
    const rig = await openEngineRig({ clock });
    try {
      await rig.engine().images.load(dockerSave(await busyboxImage()));
      const id = await rig.run("busybox", forever);
      const exec = await rig.engine().execs.create({ containerId: id, command: ["true"], tty: false, attachStdin: false, attachStdout: true, attachStderr: true });
      await textOf(await rig.engine().execs.start(exec, { tty: false, isDetached: false }));
      clock.advance(4 * 60_000);
      assert.equal(rig.engine().execs.inspect(exec).exitCode, 0);
      clock.advance(61_000);
      assert.throws(() => rig.engine().execs.inspect(exec), /No such exec instance/);
    } finally {
      const closing = rig.close();
      const ticking = setInterval(() => clock.advance(100), 10);
      await closing.finally(() => clearInterval(ticking));
    }
  });
});
