import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { extract, pack, type Header } from "tar-stream";
import { busyboxImage, dockerSave } from "../../../scripts/base-images.js";
import { codeOf } from "../../lib/index.js";
import type { Engine } from "../api/index.js";
import { openEngineRig, containerConfig, type EngineRig } from "../testing.js";

const forever = ["sleep", "1000"];
type Entries = Readonly<Record<string, string | (Partial<Header> & { readonly content?: string })>>;
const date = new Date(1_600_000_000_000);

describe("engine: files in containers", function () {
  this.timeout(60_000);
  let rig: EngineRig;
  let engine: Engine;
  let running: string;
  let created: string;
  const create = async (more: Parameters<typeof containerConfig>[0] = {}) => { const config = containerConfig({ args: forever, ...more }); await engine.create(config); return config.id; };
  const run = (script: string, more = {}) => rig.run("busybox", ["sh", "-c", script], more);
  const exec = async (id: string, script: string) => { const { exitCode, output } = await engine.exec(id, { command: ["sh", "-c", script], timeoutMs: 10_000 }); assert.equal(exitCode, 0, output); return output.trim(); };
  const put = async (id: string, path: string, entries: Entries, options = {}) => engine.writeArchive(id, path, streamOf(await tarOf(entries)), options);
  const get = async (id: string, path: string) => { const { stat, tar } = await engine.readArchive(id, path); return { stat, entries: await entriesOf(tar) }; };
  const refused = (code: string, words: RegExp) => (error: unknown) => { assert.equal(codeOf(error), code, String(error)); assert.match(String(error), words); return true; };

  before(async () => {
    rig = await openEngineRig();
    engine = rig.engine();
    await engine.images.load(dockerSave(await busyboxImage()));
    running = await rig.run("busybox", forever, { mounts: [{ type: "tmpfs", target: "/scratch" }, { type: "volume", name: "shared", target: "/data", readOnly: false }] });
    created = await create();
    for (const id of [running]) await exec(id, "mkdir -p /d/sub; echo hello > /d/f; ln -s /d/sub /d/link; ln -s nowhere /d/dangling; ln -s ../../../../../etc /d/up; chmod 4755 /d/f; ln /d/f /d/hard; echo v > /data/v; echo t > /scratch/t");
  });
  after(() => rig?.close());

  it("tell what a path is, and where a link leads", async () => {
    const stat = await engine.statPath(running, "/d/f");
    assert.deepEqual([stat.name, stat.sizeBytes, stat.goMode, stat.linkTarget], ["f", 6, 2 ** 23 + 0o755, ""]);
    assert.ok(Math.abs(stat.mtimeMs - Date.now()) < 600_000);
    assert.deepEqual(await Promise.all(["/d/link", "/d/dangling", "/d/up"].map(async (path) => (await engine.statPath(running, path)).linkTarget)), ["/d/sub", "/d/nowhere", "/etc"]);
    const followed = await engine.statPath(running, "/d/link/");
    assert.deepEqual([followed.name, followed.goMode, followed.linkTarget], ["link", 2 ** 31 + 0o755, ""]);
    assert.equal((await engine.statPath(running, "/")).goMode, 2 ** 31 + 0o755);
    await assert.rejects(engine.statPath(running, "/d/none"), refused("NOT_FOUND", /there is no "\/d\/none" in it/));
    await assert.rejects(engine.statPath(running, "/d/f/"), refused("INVALID_ARGUMENT", /"\/d\/f\/" is not a directory/));
    await assert.rejects(engine.statPath("f".repeat(20), "/"), refused("NOT_FOUND", /no such container/));
  });

  it("are read as archives that are called what was asked for", async () => {
    assert.deepEqual((await get(running, "/d/f")).entries, { f: "hello\n" });
    const whole = (await get(running, "d")).entries;
    assert.deepEqual(Object.keys(whole), ["d/", "d/dangling", "d/f", "d/hard", "d/link", "d/sub/", "d/up"]);
    assert.deepEqual([whole["d/hard"], whole["d/link"], whole["d/dangling"]], ["link d/f", "symlink /d/sub", "symlink nowhere"]);
    assert.deepEqual(Object.keys((await get(running, "/d/sub/.")).entries), ["./"]);
    assert.deepEqual(Object.keys((await get(running, "/d/link/")).entries), ["link/"]);
    assert.deepEqual((await get(running, "/d/link")).entries, { link: "symlink /d/sub" });
    assert.deepEqual(Object.keys((await get(created, "/")).entries).slice(0, 2), ["/", "/.dockerenv"]);
    await assert.rejects(engine.readArchive(running, "/none"), refused("NOT_FOUND", /Cannot copy from container/));
  });

  it("are those that the container's processes see: volumes, tmpfs, /proc", async () => {
    assert.deepEqual((await get(running, "/data/v")).entries, { v: "v\n" });
    assert.deepEqual((await get(running, "/scratch/t")).entries, { t: "t\n" });
    assert.match((await get(running, "/proc/1/cmdline")).entries["cmdline"]!, /^sleep\0/);
    const all = Object.keys((await get(running, "/")).entries);
    assert.ok(all.includes("/proc/") && all.includes("/data/v"));
    assert.ok(!all.some((name) => name.startsWith("/proc/1")), "a whole root holds no kernel's files");
  });

  it("are written into running and resting containers alike, with volumes", async () => {
    const volumes = { mounts: [{ type: "volume", name: "shared", target: "/data", readOnly: false }] } as const;
    for (const id of [running, await create(volumes)]) {
      await put(id, "/data", { [`of-${id.slice(0, 4)}`]: "in a volume" });
      await put(id, "/root/.", { "x/y": "deep", "x": { type: "directory", mode: 0o750, uid: 7 }, l: { type: "symlink", linkname: "/root/x" }, "abs/../n": "name" });
      assert.deepEqual(readFileSync(join(rig.config.stateDir, "volumes/shared/_data", `of-${id.slice(0, 4)}`), "utf8"), "in a volume");
      await engine.start(id);
      assert.equal(await exec(id, "cat /root/l/y /root/n; stat -c '%a %u %Y' /root/x"), `deepname750 7 ${date.getTime() / 1000}`);
    }
  });

  it("are written where a link to a directory leads, and only into directories", async () => {
    await put(running, "/d/link", { through: "1" });
    assert.equal(await exec(running, "cat /d/sub/through"), "1");
    await assert.rejects(put(running, "/d/f", { x: "1" }), refused("INVALID_ARGUMENT", /"\/d\/f" is not a directory/));
    await assert.rejects(put(running, "/d/none", { x: "1" }), refused("NOT_FOUND", /there is no "\/d\/none"/));
  });

  it("are taken from compressed archives, with owners as they are or the container's own", async () => {
    await engine.writeArchive(running, "/root", streamOf(gzipSync(await tarOf({ zipped: { content: "z", uid: 5, gid: 6 } }))), {});
    assert.equal(await exec(running, "stat -c '%u:%g' /root/zipped"), "5:6");
    const id = await run("exec sleep 1000", { user: "www-data" });
    await put(id, "/tmp", { mine: { content: "", uid: 5, gid: 6 } }, { copyUidGid: true });
    assert.equal(await exec(id, "stat -c '%U:%G' /tmp/mine"), "www-data:www-data");
  });

  it("replace what is there, but no directory by a file where that is asked", async () => {
    await exec(running, "mkdir -p /r/dir/full; echo x > /r/file; mkdir /r/other; ln -s /etc/passwd /r/link");
    await assert.rejects(put(running, "/r", { dir: "now a file" }, { noOverwriteDirNonDir: true }), refused("INVALID_ARGUMENT", /cannot overwrite a directory with what is none: "dir"/));
    await assert.rejects(put(running, "/r", { file: { type: "directory" } }, { noOverwriteDirNonDir: true }), refused("INVALID_ARGUMENT", /cannot overwrite with a directory what is none: "file"/));
    assert.equal(await exec(running, "ls -d /r/dir/full; cat /r/file"), "/r/dir/full\nx");
    const before = await exec(running, "cat /etc/passwd");
    await put(running, "/r", { dir: "now a file", file: { type: "directory" }, link: "no link any more" });
    assert.equal(await exec(running, "cat /r/dir; stat -c %F /r/file; cat /r/link; cat /etc/passwd"), `now a filedirectory\nno link any more${before}`);
  });

  it("keep their mounts: /etc/hosts is written over in place", async () => {
    await put(running, "/etc", { hosts: "127.0.0.1 short\n" });
    assert.equal(await exec(running, "cat /etc/hosts; grep -c ' /etc/hosts ' /proc/self/mountinfo"), "127.0.0.1 short\n1");
    await assert.rejects(put(running, "/", { data: "a file in a volume's place" }), refused("INTERNAL", /busy/));
    assert.equal(await exec(running, "cat /data/v"), "v");
  });

  it("stay inside, whatever an archive names", async () => {
    const outside = join(rig.directory, "outside");
    mkdirSync(outside, { recursive: true });
    writeFileSync(join(outside, "secret"), "secret");
    await assert.rejects(put(running, "/root", { "../../../../../../../../tmp/escaped": "x" }), refused("INVALID_ARGUMENT", /a name that leads out of it/));
    await assert.rejects(put(running, "/root", { hard: { type: "link", linkname: `../../../..${outside}/secret` } }), refused("INVALID_ARGUMENT", /a link to what is outside/));
    await put(running, "/root", { [`${outside}/absolute`]: "x", way: { type: "symlink", linkname: outside } });
    assert.deepEqual(readdirSync(outside), ["secret"]);
    assert.equal(await exec(running, `cat /root${outside}/absolute`), "x");
    await assert.rejects(put(running, "/root", { "way/in": "x" }), refused("INVALID_ARGUMENT", /cannot create the directory of|No such file/));
    await assert.rejects(put(running, "/root", { early: { type: "link", linkname: "later" }, later: "x" }), refused("INVALID_ARGUMENT", /cannot link "early": No such file/));
    await assert.rejects(put(running, "/root", { ["n".repeat(256)]: "x" }), refused("INVALID_ARGUMENT", /File name too long/));
    await put(running, "/root", { device: { type: "character-device", devmajor: 1, devminor: 3, mode: 0o666 }, pipe: { type: "fifo" } });
    assert.equal(await exec(running, "echo gone > /root/device; stat -c %F /root/pipe"), "fifo");
    for (const garbage of [Buffer.from("x".repeat(2000)), (await tarOf({ cut: "x".repeat(5000) })).subarray(0, 3000), Buffer.concat([(await tarOf({ a: "1" })).subarray(0, 1024), randomBytes(1024)])]) {
      await assert.rejects(engine.writeArchive(running, "/root", streamOf(garbage), {}), refused("INVALID_ARGUMENT", /no tar archive|cut short/));
    }
    assert.deepEqual(readdirSync(outside), ["secret"]);
  });

  it("stay inside while the container swaps a directory for a link, and for a process's root", async () => {
    const outside = join(rig.directory, "race");
    mkdirSync(outside, { recursive: true });
    writeFileSync(join(outside, "marker"), "of the host");
    const id = await run(`mkdir -p /a /b${outside}; echo mine > /b${outside}/marker; while :; do mkdir -p /a/x${outside}; mv /a/x /a/y; ln -s / /a/x; rm /a/x; ln -s /proc/1/root /a/x; rm /a/x; mv /a/y /a/x; done`);
    for (let round = 0; round < 40; round++) {
      await put(id, "/a", { [`x${outside}/written`]: "by cp" }).catch(() => {});
      await put(id, `/a/x${outside}`, { written: "by cp" }).catch(() => {});
      const read = await get(id, `/a/x${outside}/marker`).catch(() => undefined);
      assert.notEqual(read?.entries["marker"], "of the host");
    }
    assert.deepEqual(readdirSync(outside), ["marker"]);
    await engine.remove(id, { force: true });
  });

  it("of a container among the host's processes stay inside too", async () => {
    const outside = join(rig.directory, "host");
    mkdirSync(outside, { recursive: true });
    writeFileSync(join(outside, "secret"), "secret");
    const id = await run("ln -s /proc/1/root /way; ln -s /proc/1/cwd /other; exec sleep 1000", { pidMode: "host" });
    for (const way of ["/way", "/other"]) {
      await assert.rejects(put(id, `${way}${outside}`, { escaped: "x" }));
      await assert.rejects(get(id, `${way}${outside}/secret`));
      await assert.rejects(engine.statPath(id, `${way}/`));
    }
    assert.deepEqual(readdirSync(outside), ["secret"]);
  });

  it("are not written where the container may not write either", async () => {
    symlinkSync("/etc", join(rig.directory, "etc"));
    const mounts = [{ type: "volume", name: "ro", target: "/ro", readOnly: true }, { type: "volume", name: "rw", target: "/rw", readOnly: false }] as const;
    const ids = [await create({ readOnly: true, mounts }), await rig.run("busybox", forever, { readOnly: true, mounts })];
    for (const id of ids) {
      for (const path of ["/", "/ro"]) await assert.rejects(put(id, path, { x: "1" }), refused("PERMISSION_DENIED", /read-only/));
      await put(id, "/rw", { x: id });
    }
    assert.deepEqual([existsSync(join(rig.config.stateDir, "volumes/ro/_data/x")), readFileSync(join(rig.config.stateDir, "volumes/rw/_data/x"), "utf8")], [false, ids[1]]);
  });

  it("say when there is no room, and leave no half file", async () => {
    const id = await rig.run("busybox", forever, { mounts: [{ type: "tmpfs", target: "/small", sizeBytes: 1024 * 1024 }] });
    await assert.rejects(put(id, "/small", { first: "1", big: "x".repeat(3 * 1024 * 1024) }), refused("FAILED_PRECONDITION", /no space is left where "\/small" lies/));
    assert.equal(await exec(id, "ls /small"), "first");
  });

  it("stream at the reader's pace, and end with him", async () => {
    await exec(running, "dd if=/dev/zero of=/scratch/big bs=1M count=300 2>/dev/null");
    const before = process.memoryUsage().rss;
    const { stat, tar } = await engine.readArchive(running, "/scratch/big");
    assert.equal(stat.sizeBytes, 300 * 1024 * 1024);
    let bytes = 0;
    for await (const chunk of tar) bytes += chunk.length;
    assert.equal(bytes, 300 * 1024 * 1024 + 512 + 1024);
    assert.ok(process.memoryUsage().rss - before < 150 * 1024 * 1024);
    for await (const chunk of (await engine.readArchive(running, "/scratch/big")).tar) { assert.ok(chunk.length > 0); break; }
    await exec(running, "rm /scratch/big");
  });

  it("that a container changed are listed; a fresh one has changed nothing", async () => {
    const fresh = await create();
    assert.deepEqual(await engine.changes(fresh), []);
    const id = await rig.run("busybox", forever);
    await exec(id, "echo x >> /etc/passwd; rm /etc/group; mkdir /new; echo f > /new/f");
    assert.deepEqual((await engine.changes(id)).map(({ kind, path }) => `${kind} ${path}`), ["modified /etc", "deleted /etc/group", "modified /etc/passwd", "added /new", "added /new/f"]);
    const { writableBytes, totalBytes } = await engine.size(id);
    assert.ok(writableBytes > 2 && writableBytes < 4096 && totalBytes > writableBytes + 100_000, `${writableBytes} of ${totalBytes}`);
    await engine.commit(id, { reference: "changed:1" });
    const after = await rig.run("changed:1", forever);
    assert.equal(await exec(after, "cat /new/f; ls /etc/group 2>&1 || true"), "f\nls: /etc/group: No such file or directory");
    assert.deepEqual(await engine.changes(after), []);
  });

  it("are exported whole, running or not, without what is mounted", async () => {
    for (const id of [running, created]) {
      const entries = await entriesOf(engine.export(id));
      assert.ok(entries["bin/busybox"] !== undefined && entries["etc/passwd"]!.startsWith("root:") && entries["proc/"] !== undefined);
      assert.equal(entries["data/v"], undefined);
    }
  });

  it("are told of in events", async () => {
    const ending = new AbortController();
    const seen: string[] = [];
    const watching = (async () => { for await (const event of engine.events.stream({ signal: ending.signal })) if (event.actorId === created) { seen.push(event.action); if (seen.length === 3) break; } })();
    await put(created, "/root", { e: "1" });
    await get(created, "/root/e");
    await entriesOf(engine.export(created));
    await watching;
    ending.abort();
    assert.deepEqual(seen, ["extract-to-dir", "archive-path", "export"]);
  });
});

/** Names in order, with contents as text. */
async function tarOf(entries: Entries): Promise<Buffer> {
  const tar = pack();
  for (const [name, given] of Object.entries(entries)) {
    const { content = "", ...headers } = typeof given === "string" ? { content: given } : given;
    tar.entry({ name, mtime: date, uid: 0, gid: 0, mode: 0o644, ...headers }, content);
  }
  tar.finalize();
  const parts: Buffer[] = [];
  for await (const part of tar) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

async function* streamOf(bytes: Buffer): AsyncGenerator<Uint8Array> { for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536); }

/** Contents, "symlink TARGET", "link TARGET" or "" by name. */
async function entriesOf(tar: AsyncIterable<Uint8Array>): Promise<Record<string, string>> {
  const entries: Record<string, string> = {};
  const reader = extract();
  const reading = (async () => {
    for await (const entry of reader) {
      const parts: Buffer[] = [];
      for await (const part of entry) parts.push(part as Buffer);
      const { name, type, linkname } = entry.header;
      entries[name] = type === "symlink" || type === "link" ? `${type} ${linkname}` : Buffer.concat(parts).toString();
    }
  })();
  Readable.from(tar).pipe(reader);
  await reading;
  return entries;
}
