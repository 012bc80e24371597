import assert from "node:assert/strict";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSealer } from "./raft-key.js";

describe("raft's records on disk", () => {
  let directory: string;
  let path: string;
  beforeEach(async () => { directory = await mkdtemp(join(tmpdir(), "skein-key-")); path = join(directory, "manager/raft.key"); });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it("come back as they were, under the same key, which only root may read", async () => {
    const plain = Buffer.from("a spec with a secret");
    const sealed = (await openSealer(path)).seal(plain);
    assert.ok(!Buffer.from(sealed).includes("secret"));
    assert.deepEqual(Buffer.from((await openSealer(path)).open(sealed)), plain);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
  });

  it("are refused when altered, cut short or written with another key", async () => {
    const sealer = await openSealer(path);
    const sealed = Buffer.from(sealer.seal(Buffer.from("x")));
    const altered = Buffer.from(sealed);
    altered[15]! ^= 1;
    assert.throws(() => sealer.open(altered), { code: "DATA_LOSS" });
    assert.throws(() => sealer.open(sealed.subarray(0, 20)), { code: "DATA_LOSS" });
    await writeFile(path, Buffer.alloc(32, 1));
    const other = await openSealer(path);
    assert.throws(() => other.open(sealed), { code: "DATA_LOSS", message: /not the key/ });
    await writeFile(path, Buffer.alloc(5));
    await assert.rejects(openSealer(path), { code: "DATA_LOSS", message: /damaged/ });
    await rm(path);
    await assert.rejects(openSealer(path, { isNew: false }), { code: "DATA_LOSS", message: /its key ".*raft.key" is missing/ });
    await assert.rejects(stat(path), { code: "ENOENT" });
  });
});
