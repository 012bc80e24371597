import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { busyboxImage, dockerSave } from "../../../scripts/base-images.js";
import { waitFor } from "../../lib/testing.js";
import type { AttachOptions, ProcessStreams } from "../api/index.js";
import { containerConfig, openEngineRig, type EngineRig } from "../testing.js";

const all: AttachOptions = { stdin: true, stdout: true, stderr: true };
const output = { stdin: false, stdout: true, stderr: true };
const mebibyte = 1024 * 1024;

async function textOf(streams: ProcessStreams, only?: "stdout" | "stderr"): Promise<string> {
  const parts: Buffer[] = [];
  for await (const { stream, bytes } of streams.output) if (!only || stream === only) parts.push(bytes);
  return Buffer.concat(parts).toString();
}

/** Reads in the background; `text()` is what has come so far. */
function reading(streams: ProcessStreams): { text(): string; readonly done: Promise<void> } {
  let text = "";
  const done = (async () => { for await (const { bytes } of streams.output) text += bytes.toString("latin1"); })();
  return { text: () => text, done };
}

async function write(streams: ProcessStreams, bytes: Buffer | string): Promise<void> {
  if (!streams.stdin!.write(bytes)) await once(streams.stdin as never, "drain");
}

describe("engine: attaching", function () {
  this.timeout(60_000);
  let rig: EngineRig;
  before(async () => {
    rig = await openEngineRig();
    await rig.engine().images.load(dockerSave(await busyboxImage()));
  });
  after(() => rig?.close());
  const create = async (script: string, more = {}) => {
    const config = containerConfig({ args: ["sh", "-c", script], ...more });
    await rig.engine().create(config);
    return config.id;
  };
  const monitorOf = (id: string) => (JSON.parse(readFileSync(join(rig.config.runDir, "containers", id, "monitor.json"), "utf8")) as { monitorPid: number }).monitorPid;

  it("before the start gets the very first byte, and the end", async () => {
    for (let round = 0; round < 10; round++) {
      const id = await create("echo out; echo err >&2");
      const streams = await rig.engine().attach(id, output);
      const text = textOf(streams);
      await rig.engine().start(id);
      assert.deepEqual((await text).split("\n").sort(), ["", "err", "out"]);
      await rig.engine().remove(id, { force: true });
    }
  });

  it("is told as an event, as is what else people do to a container that changes nothing of its own", async () => {
    const seen: { action: string; attributes: Readonly<Record<string, string>> }[] = [];
    const ending = new AbortController();
    const reading = (async () => { for await (const event of rig.engine().events.stream({ signal: ending.signal })) { seen.push(event); if (event.action === "prune") ending.abort(); } })();
    const id = await create("sleep 100", { tty: true });
    const streams = await rig.engine().attach(id, output);
    await rig.engine().start(id);
    await rig.engine().resize(id, { rows: 30, columns: 90 });
    await rig.engine().top(id, []);
    const imageId = await rig.engine().commit(id, { reference: "told:1", message: "why", isPaused: false });
    await rig.engine().remove(id, { force: true });
    streams.close();
    await rig.engine().pruneContainers({ labels: [{ name: "nobody.has.this" }] });
    await reading;
    const told = (action: string) => seen.find((event) => event.action === action)?.attributes ?? {};
    assert.deepEqual(seen.map(({ action }) => action).filter((action) => ["attach", "start", "resize", "top", "commit", "prune"].includes(action)), ["attach", "start", "resize", "top", "commit", "prune"]);
    assert.deepEqual([told("resize").height, told("resize").width, told("commit").comment, told("commit").imageID, told("commit").imageRef, told("prune").reclaimed], ["30", "90", "why", imageId, "told:1", "0"]);
  });

  it("tells the streams apart, and gives only those that were asked for", async () => {
    const id = await create("echo out; echo err >&2");
    const [both, only] = [await rig.engine().attach(id, output), await rig.engine().attach(id, { ...output, stdout: false })];
    const texts = [textOf(both, "stdout"), textOf(only)];
    await rig.engine().start(id);
    assert.deepEqual(await Promise.all(texts), ["out\n", "err\n"]);
  });

  it("100 MB go through cat unchanged, and the end of input is the end of cat", async () => {
    const id = await create("cat", { openStdin: true, stdinOnce: true, logDriver: { name: "none", options: {} } });
    const streams = await rig.engine().attach(id, all);
    const [sent, received] = [createHash("sha256"), createHash("sha256")];
    let size = 0;
    const done = (async () => { for await (const { bytes } of streams.output) { received.update(bytes); size += bytes.length; } })();
    await rig.engine().start(id);
    const block = randomBytes(mebibyte);
    for (let i = 0; i < 100; i++) {
      block.writeUInt32BE(i, 0);
      sent.update(block);
      await write(streams, Buffer.from(block));
    }
    streams.stdin!.end();
    await done;
    assert.equal(size, 100 * mebibyte);
    assert.equal(received.digest("hex"), sent.digest("hex"));
    assert.equal((await rig.engine().wait(id)).exitCode, 0);
  });

  it("input that the process reads late arrives whole, though its sender has ended long before", async () => {
    const id = await create("sleep 0.3; wc -c", { openStdin: true, stdinOnce: true });
    const streams = await rig.engine().attach(id, all);
    await rig.engine().start(id);
    streams.stdin!.write(Buffer.alloc(100_000, "x"));
    streams.stdin!.end();
    assert.equal((await textOf(streams)).trim(), "100000");
    await rig.engine().remove(id, { force: true });
  });

  it("without an open stdin a process reads nothing; with one it stays open when clients go", async () => {
    const closed = await create("cat; echo eof");
    const first = await rig.engine().attach(closed, all);
    assert.equal(first.stdin, undefined);
    const text = textOf(first);
    await rig.engine().start(closed);
    assert.equal(await text, "eof\n");

    const open = await create("while read line; do echo got $line; done; echo eof", { openStdin: true });
    const one = await rig.engine().attach(open, all);
    const read = reading(one);
    await rig.engine().start(open);
    await write(one, "a\n");
    await waitFor("the answer", () => read.text() === "got a\n");
    one.stdin!.end();
    one.close();
    const two = await rig.engine().attach(open, all);
    const again = reading(two);
    await write(two, "b\n");
    await waitFor("the second answer", () => again.text() === "got b\n");
    two.close();
    await rig.engine().remove(open, { force: true });
  });

  it("closes a stdin that is for once when its first client vanishes", async () => {
    const id = await create("cat > /dev/null; echo eof", { openStdin: true, stdinOnce: true });
    const typing = await rig.engine().attach(id, all);
    const looking = textOf(await rig.engine().attach(id, output));
    await rig.engine().start(id);
    await write(typing, "half a li");
    typing.close();
    assert.equal(await looking, "eof\n");
  });

  it("has a terminal: raw bytes, its size, and resizing", async () => {
    const id = await create("stty size; trap 'stty size' WINCH; while :; do sleep 0.05; done", { tty: true, openStdin: true });
    await rig.engine().resize(id, { rows: 31, columns: 97 });
    const streams = await rig.engine().attach(id, all);
    assert.equal(streams.isTty, true);
    const read = reading(streams);
    await rig.engine().start(id);
    await waitFor("its first size", () => read.text() === "31 97\r\n");
    await rig.engine().resize(id, { rows: 50, columns: 132 });
    await waitFor("its new size", () => read.text().endsWith("50 132\r\n"));
    await write(streams, "\x03");
    await rig.engine().wait(id);
    await read.done;
    await assert.rejects(rig.engine().resize(id, { rows: -1, columns: 80 }), /Terminal size 80x-1 is not valid/);
  });

  it("fifty at once see the same, and one that leaves disturbs none", async () => {
    const id = await create("read go; i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done", { openStdin: true });
    await rig.engine().start(id);
    const clients = await Promise.all(Array.from({ length: 50 }, () => rig.engine().attach(id, all)));
    const leaving = clients.slice(0, 10);
    const texts = clients.slice(10).map((each) => textOf(each));
    for (const each of leaving) void (async () => { for await (const _ of each.output) { each.close(); } })();
    await write(clients[20]!, "go\n");
    const expected = Array.from({ length: 2000 }, (_, i) => `line ${i}\n`).join("");
    for (const text of await Promise.all(texts)) assert.equal(text, expected);
  });

  it("replays the log and goes on live, without losing or repeating a line, also across rotation", async () => {
    const id = await create("i=0; while [ $i -lt 4000 ]; do echo line number $i; i=$((i+1)); [ $((i % 50)) = 0 ] && usleep 2000; done; read x", { openStdin: true, logDriver: { name: "json-file", options: { "max-size": "100k", "max-file": "50" } } });
    await rig.engine().start(id);
    const texts: Promise<string>[] = [];
    for (let i = 0; i < 30; i++) { texts.push(textOf(await rig.engine().attach(id, { ...output, logs: true }))); await new Promise((resolve) => setTimeout(resolve, 5)); }
    await write(await rig.engine().attach(id, all), "x\n");
    const expected = Array.from({ length: 4000 }, (_, i) => `line number ${i}\n`).join("");
    for (const text of await Promise.all(texts)) assert.equal(text, expected);
  });

  it("replays the beginning of a line that is not finished yet", async () => {
    const id = await create("echo one; printf tw; read x; echo o", { openStdin: true, logDriver: { name: "local", options: {} } });
    await rig.engine().start(id);
    const early = reading(await rig.engine().attach(id, { ...output, logs: true }));
    await waitFor("its prompt", () => early.text() === "one\ntw");
    const late = await rig.engine().attach(id, { ...all, logs: true });
    const text = textOf(late);
    await write(late, "\n");
    assert.equal(await text, "one\ntwo\n");
    await early.done;
  });

  it("a client that does not read holds its container, not the engine, and its leaving sets it free", async () => {
    const id = await create("head -c 20000000 /dev/zero; echo done >&2", { logDriver: { name: "none", options: {} } });
    const stuck = await rig.engine().attach(id, output);
    await rig.engine().start(id);
    const watching = await rig.engine().attach(id, { ...output, stdout: false });
    const text = textOf(watching);
    const before = process.memoryUsage().rss;
    await new Promise((resolve) => setTimeout(resolve, 300));     // it could have printed all of it many times over
    assert.equal((await rig.engine().inspect(id))!.phase, "running");
    assert.ok(process.memoryUsage().rss - before < 8 * mebibyte);
    stuck.close();
    assert.equal(await text, "done\n");
  });

  it("a slow client gets all of a short life", async () => {
    const id = await create("head -c 3000000 /dev/zero", { logDriver: { name: "none", options: {} } });
    const slow = await rig.engine().attach(id, output);
    await rig.engine().start(id);
    let size = 0;
    for await (const { bytes } of slow.output) { size += bytes.length; await new Promise((resolve) => setTimeout(resolve, 1)); }
    assert.equal(size, 3_000_000);
  });

  it("one that reads nothing delays neither its container's end nor its removal, and still gets the rest", async () => {
    const id = await create("head -c 600000 /dev/zero", { logDriver: { name: "local", options: {} } });
    const late = await rig.engine().attach(id, output);
    await rig.engine().start(id);
    await rig.engine().wait(id);
    await rig.engine().remove(id);
    let size = 0;
    for await (const { bytes } of late.output) size += bytes.length;
    assert.equal(size, 600_000);
  });

  it("a daemon that dies before its clients are connected holds no container up for long", async () => {
    const id = await create("echo hi");
    const streams = await rig.engine().attach(id, output);
    const text = textOf(streams);
    const started = rig.engine().start(id).catch(() => {});
    await waitFor("its monitor", () => monitorOf(id));
    await rig.reopen();
    await Promise.all([started, text]);
    assert.equal((await rig.engine().wait(id)).exitCode, 0);
    assert.deepEqual(await rig.output(id), ["hi"]);
  });

  it("a paused container can be attached to", async () => {
    const id = await create("while :; do echo tick; sleep 0.02; done");
    await rig.engine().start(id);
    await rig.engine().pause(id);
    const streams = await rig.engine().attach(id, output);
    const read = reading(streams);
    await rig.engine().unpause(id);
    await waitFor("output", () => read.text().includes("tick"));
    streams.close();
    await rig.engine().remove(id, { force: true });
  });

  it("ends for who waits for a start that fails, or for a container that is removed", async () => {
    const failing = containerConfig({ args: ["/nope"] });
    await rig.engine().create(failing);
    const first = textOf(await rig.engine().attach(failing.id, output));
    await assert.rejects(rig.engine().start(failing.id));
    assert.equal(await first, "");
    const never = await create("true");
    const second = textOf(await rig.engine().attach(never, output));
    await rig.engine().remove(never, { force: true });
    assert.equal(await second, "");
    await assert.rejects(rig.engine().attach(never, output), /Cannot attach to container ".*": no such container/);
  });

  it("one that left before the start does not delay it", async () => {
    const id = await create("echo hi");
    const streams = await rig.engine().attach(id, output);
    streams.close();
    const began = Date.now();
    await rig.engine().start(id);
    await rig.engine().wait(id);
    assert.ok(Date.now() - began < 4_000);
    assert.deepEqual(await rig.output(id), ["hi"]);
  });

  it("nonsense on a monitor's socket ends that client only", async () => {
    const id = await create("read go; echo fine", { openStdin: true });
    await rig.engine().start(id);
    const good = await rig.engine().attach(id, all);
    const text = textOf(good);
    const directory = openSync(join(rig.config.runDir, "containers", id), "r");
    const path = `/proc/self/fd/${directory}/attach.sock`;
    const greeting = Buffer.from([3, 0, 0, 0, 0, 0, 0, 1, 7]);
    const bad = [Buffer.from("GET / HTTP/1.1\r\n\r\n"), Buffer.from([9, 0, 0, 0, 0, 0, 0, 0]), Buffer.from([3, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]), Buffer.concat([greeting, greeting]),
      Buffer.concat([greeting, Buffer.from([0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff])]), Buffer.concat([greeting, Buffer.from([2, 0, 0, 0, 0, 0, 0, 1, 1])]), Buffer.from([0, 0, 0, 0, 0, 0, 0, 1, 1]), randomBytes(4096)];
    for (const bytes of bad) {
      const socket = connect(path);
      socket.on("error", () => {});
      socket.resume();
      socket.write(bytes);
      await new Promise((resolve) => socket.once("close", resolve));
    }
    closeSync(directory);
    await write(good, "go\n");
    assert.equal(await text, "fine\n");
  });

  it("goes on with a new daemon; the old one's clients end", async () => {
    const id = await create("while read line; do echo got $line; done", { openStdin: true });
    await rig.engine().start(id);
    const old = reading(await rig.engine().attach(id, all));
    await rig.reopen();
    await old.done;
    const streams = await rig.engine().attach(id, { ...all, logs: true });
    const read = reading(streams);
    await write(streams, "again\n");
    await waitFor("the answer", () => read.text() === "got again\n");
    streams.close();
    await rig.engine().remove(id, { force: true });
  });

  it("takes little memory of each monitor, whatever was attached", async () => {
    const id = await create("read x; head -c 10000000 /dev/zero; read x", { openStdin: true, logDriver: { name: "none", options: {} } });
    await rig.engine().start(id);
    // Its own pages; those of the program are shared by all monitors of the host.
    const own = () => Number(/^Pss_Anon:\s+(\d+)/m.exec(readFileSync(`/proc/${monitorOf(id)}/smaps_rollup`, "utf8"))![1]);
    assert.ok(own() < 200, `${own()} KiB`);
    const streams = await rig.engine().attach(id, all);
    const read = reading(streams);
    await write(streams, "x\n");
    await waitFor("its output", () => read.text().length === 10_000_000, 30_000);
    assert.ok(own() < 500, `${own()} KiB`);
    streams.close();
    await rig.engine().remove(id, { force: true });
  });
});
