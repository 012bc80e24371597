import { strict as assert } from "node:assert";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RaftError, type Sealer } from "../api.js";
import { encodeConfig } from "../core/config-codec.js";
import type { Config, Entry, RestoredState, SnapshotMeta, Write } from "../core/types.js";
import { crc32c } from "./crc32c.js";
import { nodeDisk, type Disk } from "./disk.js";
import { Storage, type StorageOptions } from "./storage.js";

const config = (count: number): Config => ({ members: Array.from({ length: count }, (_, i) => ({ id: i + 1, isLearner: false, context: Buffer.from("c") })), outgoing: [], removed: [] });
const entry = (index: number, term = 1, text = `entry ${index}`): Entry => ({ index, term, kind: "data", data: Buffer.from(text) });
const configEntry = (index: number, count: number): Entry => ({ index, term: 1, kind: "config", data: encodeConfig(config(count)) });

describe("the write-ahead log", () => {
  let directory: string;
  let storage: Storage | undefined;
  let nextId = 1;
  const failures: Error[] = [];
  beforeEach(() => { directory = mkdtempSync(join(tmpdir(), "raft-wal-")); nextId = 1; failures.length = 0; });
  afterEach(async () => { await storage?.close(); storage = undefined; rmSync(directory, { recursive: true, force: true }); });

  async function open(extra: Partial<StorageOptions> = {}): Promise<RestoredState | undefined> {
    await storage?.close();
    storage = undefined;
    const opened = await Storage.open({ id: 1, directory, segmentBytes: 64 * 1024, log: () => {}, onFailure: (error) => failures.push(error), ...extra });
    storage = opened.storage;
    return opened.restored;
  }
  function write(part: Partial<Write>): Promise<void> {
    return new Promise((resolve) => storage!.write({ id: nextId++, entries: [], mustSync: true, messages: [], ...part }, resolve));
  }
  /** Entries 1 (a configuration of `members`) to `count`, each synced for itself, and the mark as the node leaves it. */
  async function fill(count: number, members: number): Promise<void> {
    await open();
    await write({ hardState: { term: 1, vote: 2, commit: 0 }, entries: [configEntry(1, members)] });
    for (let i = 2; i <= count; i++) await write({ entries: [entry(i)], hardState: { term: 1, vote: 2, commit: i - 1 } });
    storage!.mark(members === 1);
    await storage!.close();
    storage = undefined;
  }
  const segments = (): string[] => readdirSync(directory).filter((name) => name.endsWith(".seg")).sort();
  const lastSegment = (): string => join(directory, segments().at(-1)!);
  const find = (file: string, text: string): number => { const at = readFileSync(file).lastIndexOf(text); assert.ok(at > 0); return at; };
  function flip(file: string, at: number): void {
    const bytes = readFileSync(file);
    bytes[at] = bytes[at]! ^ 0x10;
    writeFileSync(file, bytes);
  }
  const texts = (state: RestoredState | undefined): string[] => state!.entries.filter((e) => e.kind === "data").map((e) => Buffer.from(e.data).toString());

  it("computes the checksum of RFC 3720", () => {
    assert.equal(crc32c(Buffer.from("123456789")), 0xe3069283);
    assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa);
    const bytes = Buffer.from("a longer text of some odd length, cut anywhere");
    for (let cut = 0; cut <= bytes.length; cut++) assert.equal(crc32c(bytes.subarray(cut), crc32c(bytes.subarray(0, cut))), crc32c(bytes));
  });

  it("an empty directory is an empty log, twice", async () => {
    assert.equal(await open(), undefined);
    const again = await open();
    assert.deepEqual(again?.hardState, { term: 0, vote: 0, commit: 0 });
    assert.equal(again?.entries.length, 0);
  });

  it("gives back what was written, with overwritten entries gone", async () => {
    await open();
    await write({ hardState: { term: 3, vote: 7, commit: 1 }, entries: [entry(1), entry(2), entry(3)] });
    await write({ entries: [entry(2, 3, "other")] });
    const state = await open();
    assert.deepEqual(state!.hardState, { term: 3, vote: 7, commit: 1 });
    assert.deepEqual(texts(state), ["entry 1", "other"]);
    assert.deepEqual(state!.entries.map((e) => e.term), [1, 3]);
    assert.equal(state!.recovering, false);
  });

  it("many segments later everything is still there, also entries larger than a segment", async () => {
    await open();
    const big = "x".repeat(200_000);
    for (let i = 1; i <= 60; i++) await write({ entries: [entry(i, 1, i % 20 === 0 ? big : `${i} ${"y".repeat(9_000)}`)] });
    assert.ok(segments().length > 8, `${segments().length} segments`);
    const state = await open();
    assert.equal(state!.entries.length, 60);
    assert.equal(Buffer.from(state!.entries[39]!.data).toString(), big);
    await write({ entries: [entry(61)] });
    assert.equal((await open())!.entries.length, 61);
  });

  it("writes queued in one turn share one sync, and are done in order", async () => {
    let syncs = 0;
    const counting: Disk = { ...nodeDisk, open: async (path, mode) => {
      const file = await nodeDisk.open(path, mode);
      return { ...file, sync: () => { syncs++; return file.sync(); }, writeSynced: (bytes, at) => { syncs++; return file.writeSynced!(bytes, at); } };
    } };
    await open({ disk: counting });
    syncs = 0;
    const order: number[] = [];
    await Promise.all(Array.from({ length: 100 }, (_, i) => write({ entries: [entry(i + 1)] }).then(() => order.push(i))));
    assert.deepEqual(order, Array.from({ length: 100 }, (_, i) => i));
    assert.ok(syncs <= 3, `${syncs} syncs`);
    assert.equal((await open())!.entries.length, 100);
  });

  it("a write that a crash cut off is dropped without a fuss", async () => {
    await fill(10, 1);
    // As after a power failure in the middle of a write that nobody was told of: half a record beyond what was synced.
    const file = lastSegment();
    const bytes = readFileSync(file);
    const end = bytes.findLastIndex((byte) => byte !== 0) + 1;
    bytes.writeUInt32LE(500, end);
    bytes.fill(0xab, end + 4, end + 100);
    writeFileSync(file, bytes);
    const state = await open();
    assert.equal(state!.entries.length, 10);
    assert.equal(state!.recovering, false);
    await write({ entries: [entry(11)] });
    assert.deepEqual(texts(await open()).at(-1), "entry 11");
  });

  for (const [what, harm] of [
    ["a flipped byte in the last record", (file: string) => flip(file, find(file, "entry 10"))],
    ["a flipped byte in the middle", (file: string) => flip(file, find(file, "entry 5"))],
    ["a flipped bit in a length", (file: string) => flip(file, find(file, "entry 5") - 20)],
    ["a log cut short", (file: string) => truncateSync(file, find(file, "entry 8"))],
    ["a log cut to nothing", (file: string) => truncateSync(file, 0)],
    ["a missing segment", (file: string) => rmSync(file)],
  ] as const) {
    it(`${what} is noticed: a member of three forgets no vote and recovers`, async () => {
      await fill(10, 3);
      harm(lastSegment());
      const state = await open();
      assert.equal(state!.recovering, true);
      assert.deepEqual({ term: state!.hardState.term, vote: state!.hardState.vote }, { term: 1, vote: 2 });
      assert.ok(state!.entries.length < 10);
      state!.entries.forEach((e, i) => { assert.equal(e.index, i + 1); if (e.kind === "data") assert.equal(Buffer.from(e.data).toString(), `entry ${i + 1}`); });
      // The flag outlives another restart, and goes when the core says so.
      assert.equal((await open())!.recovering, true);
      await write({ entries: [entry(state!.entries.length + 1, 2)], recovering: false });
      assert.equal((await open())!.recovering, false);
    });

    it(`${what} keeps a lone member from starting, with a sentence that says why`, async () => {
      await fill(10, 1);
      harm(lastSegment());
      await assert.rejects(open(), (error: RaftError) => error instanceof RaftError && error.kind === "corrupt" && /this member is alone/.test(error.message));
      await assert.rejects(open(), RaftError);
    });
  }

  it("a damaged vote file alone is made good from the log", async () => {
    await fill(3, 3);
    writeFileSync(join(directory, "vote"), Buffer.alloc(8192, 0x55));
    const state = await open();
    assert.deepEqual({ term: state!.hardState.term, vote: state!.hardState.vote, recovering: state!.recovering }, { term: 1, vote: 2, recovering: false });
  });

  const metaAt = (index: number, term = 1): SnapshotMeta => ({ index, term, config: config(3) });
  async function* chunks(...parts: string[]): AsyncGenerator<Uint8Array> { for (const part of parts) yield Buffer.from(part); }
  async function readBack(meta: SnapshotMeta): Promise<string[]> {
    const out: string[] = [];
    for await (const chunk of storage!.readSnapshot(meta)) out.push(Buffer.from(chunk).toString());
    return out;
  }

  it("a snapshot lets old segments and older snapshots go, and stands for them after a restart", async () => {
    await open();
    for (let i = 1; i <= 100; i++) await write({ entries: [entry(i, 1, "z".repeat(5_000))] });
    const before = segments().length;
    await storage!.saveSnapshot(metaAt(40), chunks("old"));
    await storage!.commitSnapshot(metaAt(40), { index: 30, term: 1 });
    await storage!.saveSnapshot(metaAt(80), chunks("new", "", "state"));
    await storage!.commitSnapshot(metaAt(80), { index: 70, term: 1 });
    assert.ok(segments().length < before / 2, `${segments().length} of ${before}`);
    assert.equal(readdirSync(directory).filter((name) => name.endsWith(".snap")).length, 1);
    const state = await open();
    assert.equal(state!.applied, 80);
    assert.deepEqual(state!.base, { index: 70, term: 1 });
    assert.deepEqual([state!.entries[0]!.index, state!.entries.at(-1)!.index], [71, 100]);
    assert.deepEqual(state!.snapshot!.config.members.length, 3);
    assert.deepEqual(await readBack(state!.snapshot!), ["new", "", "state"]);
  });

  it("a snapshot from the leader replaces the whole log", async () => {
    await fill(10, 3);
    await open();
    await storage!.saveSnapshot(metaAt(50, 4), chunks("theirs"));
    await write({ snapshot: metaAt(50, 4), hardState: { term: 4, vote: 0, commit: 50 }, entries: [entry(51, 4)] });
    const state = await open();
    assert.deepEqual([state!.applied, state!.entries.length, state!.entries[0]!.index, state!.base.term], [50, 1, 51, 4]);
  });

  it("a snapshot file that nothing refers to is removed, and one that is refused leaves nothing", async () => {
    await fill(3, 3);
    await open();
    await storage!.saveSnapshot(metaAt(50, 4), chunks("orphan"));
    async function* broken(): AsyncGenerator<Uint8Array> { yield Buffer.from("a"); throw new Error("cut off"); }
    await assert.rejects(storage!.saveSnapshot(metaAt(60, 4), broken()), /cut off/);
    assert.equal(readdirSync(directory).filter((name) => name.endsWith(".tmp") && name.startsWith("snapshot")).length, 0);
    assert.equal((await open())!.entries.length, 3);
    assert.equal(readdirSync(directory).some((name) => name.endsWith(".snap")), false);
  });

  it("a damaged snapshot is never served: the member recovers from the leader", async () => {
    await fill(60, 3);
    await open();
    await storage!.saveSnapshot(metaAt(50), chunks("precious state"));
    await storage!.commitSnapshot(metaAt(50), { index: 45, term: 1 });
    await storage!.close();
    const file = join(directory, readdirSync(directory).find((name) => name.endsWith(".snap"))!);
    flip(file, find(file, "precious"));
    const state = await open();
    assert.equal(state!.recovering, true);
    assert.deepEqual([state!.applied, state!.entries.length, state!.hardState.vote], [0, 0, 2]);
  });

  const xor: Sealer = { seal: (plain) => Buffer.from([0x99, ...plain.map((b) => b ^ 0x5a)]), open: (sealed) => { if (sealed[0] !== 0x99) throw new Error("wrong key"); return Buffer.from(sealed.subarray(1).map((b) => b ^ 0x5a)); } };

  it("with a sealer nothing readable reaches the disk, and a wrong key is told from damage", async () => {
    await open({ sealer: xor });
    await write({ hardState: { term: 1, vote: 2, commit: 0 }, entries: [configEntry(1, 3), entry(2, 1, "a secret")] });
    await storage!.saveSnapshot(metaAt(1), chunks("secret state"));
    await storage!.commitSnapshot(metaAt(1), { index: 1, term: 1 });
    const state = await open({ sealer: xor });
    assert.deepEqual(texts(state), ["a secret"]);
    assert.deepEqual(await readBack(state!.snapshot!), ["secret state"]);
    for (const name of readdirSync(directory)) assert.equal(readFileSync(join(directory, name)).includes("secret"), false, name);
    const other: Sealer = { seal: xor.seal, open: () => { throw new Error("no"); } };
    await assert.rejects(open({ sealer: other }), /key does not fit/);
    assert.deepEqual(texts(await open({ sealer: xor })), ["a secret"]);
  });

  it("a full disk acknowledges nothing more", async () => {
    let isFull = false;
    const small: Disk = { ...nodeDisk, open: async (path, mode) => {
      const file = await nodeDisk.open(path, mode);
      const write = (bytes: Uint8Array, at: number): Promise<void> => isFull ? Promise.reject(Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" })) : file.writeSynced!(bytes, at);
      return { ...file, write, writeSynced: write };
    } };
    await open({ disk: small });
    await write({ entries: [entry(1)] });
    isFull = true;
    let acknowledged = false;
    void write({ entries: [entry(2)] }).then(() => { acknowledged = true; });
    while (failures.length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    isFull = false;
    void write({ entries: [entry(3)] }).then(() => { acknowledged = true; });
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(acknowledged, false);
    assert.equal(failures.length, 1);
    assert.equal((await open())!.entries.length, 1);
  });

  it("a sync that fails ends it: the write is not acknowledged, nor any after it, though later syncs would succeed", async () => {
    let isBroken = false;
    const broken = (): Promise<void> => { isBroken = false; return Promise.reject(Object.assign(new Error("EIO: i/o error, fdatasync"), { code: "EIO" })); };
    await open({ disk: { ...nodeDisk, open: async (path, mode) => {
      const file = await nodeDisk.open(path, mode);
      return { ...file, sync: () => isBroken ? broken() : file.sync(), writeSynced: (bytes, at) => isBroken ? broken() : file.writeSynced!(bytes, at) };
    } } });
    await write({ entries: [entry(1)] });
    isBroken = true;
    const acknowledged: number[] = [];
    for (const index of [2, 3]) void write({ entries: [entry(index)] }).then(() => acknowledged.push(index));
    while (failures.length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    void write({ entries: [entry(4)] }).then(() => acknowledged.push(4));
    await storage!.close();
    assert.deepEqual([acknowledged, failures.length, (failures[0] as NodeJS.ErrnoException).code], [[], 1, "EIO"]);
  });

  it("a new segment and a new snapshot are synced before they get their names, and the directory before anything is acknowledged in them (etcd #6368)", async () => {
    const calls: string[] = [];
    const shown = (path: string): string => path.replace(/^.*\//, "").replace(/[-\d].*\./, "*.");
    await open({ disk: {
      ...nodeDisk,
      open: async (path, mode) => {
        const file = await nodeDisk.open(path, mode);
        return { ...file, sync: () => { calls.push(`sync ${shown(path)}`); return file.sync(); } };
      },
      rename: (from, to) => { calls.push(`rename ${shown(from)} ${shown(to)}`); return nodeDisk.rename(from, to); },
      syncDirectory: (path) => { calls.push("sync directory"); return nodeDisk.syncDirectory(path); },
    } });
    calls.length = 0;
    for (let i = 1; i <= 20; i++) await write({ entries: [entry(i, 1, "x".repeat(8_000))] });
    await storage!.saveSnapshot(metaAt(10), chunks("state"));
    const renames = calls.flatMap((call, at) => call.startsWith("rename") ? [at] : []);
    assert.ok(renames.length >= 3, calls.join("; "));
    for (const at of renames) {
      assert.match(calls[at - 1]!, /^sync (next|snapshot\*)\.tmp$/);
      assert.equal(calls[at + 1], "sync directory");
    }
  });

  it("term and vote change together, or not at all (hashicorp/raft #661): a torn write leaves those before it", async () => {
    await open();
    await write({ hardState: { term: 5, vote: 3, commit: 0 }, entries: [configEntry(1, 3)] });
    await write({ hardState: { term: 6, vote: 2, commit: 0 } });
    await storage!.close();
    const state = await open();
    assert.deepEqual([state!.hardState.term, state!.hardState.vote], [6, 2]);
    await storage!.close();
    // The slot that was written last is torn in the middle.
    const bytes = readFileSync(join(directory, "vote"));
    const newest = bytes.readUInt32LE(8) > bytes.readUInt32LE(4096 + 8) ? 0 : 4096;
    bytes.fill(0xee, newest + 13, newest + 15);
    writeFileSync(join(directory, "vote"), bytes);
    const again = await open();
    assert.deepEqual([again!.hardState.term, again!.hardState.vote], [6, 2], "the log has them as well");
    await storage!.close();
    // That start wrote the slot anew; now the newest record of the log goes bad.
    const log = readFileSync(lastSegment());
    const end = log.findLastIndex((byte) => byte !== 0);
    log[end]! ^= 1;
    writeFileSync(lastSegment(), log);
    const third = await open();
    assert.deepEqual([third!.hardState.term, third!.hardState.vote, third!.recovering], [6, 2, true], "the slot has them as well");
  });

  it("segments are full-size before they are used", async () => {
    await open();
    await write({ entries: [entry(1)] });
    assert.equal(statSync(lastSegment()).size, 64 * 1024);
  });
});
