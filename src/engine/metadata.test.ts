import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "../lib/index.js";
import type { ImageRecord } from "./images/record.js";
import { openMetadata } from "./metadata.js";

describe("engine: the database", () => {
  let directory: string;
  const path = () => join(directory, "db");
  const image = (id: string) => ({ id, padding: "x".repeat(500) }) as unknown as ImageRecord;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "skein-metadata-"));
    // Two openings: the first one's records move to a table file, the second one's are in the log.
    for (const ids of [["a", "b", "c"], ["d"]]) {
      const metadata = await openMetadata(path(), silentLogger);
      for (const id of ids) await metadata.changeImages({ put: [image(id)], names: new Map([[`${id}:latest`, id]]) });
      await metadata.close();
    }
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const files = (pattern: RegExp) => readdirSync(path()).filter((name) => pattern.test(name)).map((name) => join(path(), name));
  const flip = (file: string) => { const bytes = readFileSync(file); for (let i = 60; i < bytes.length; i += 200) bytes[i]! ^= 0xff; writeFileSync(file, bytes); };
  const damages: Record<string, { lost: boolean; do(): void }> = {
    "CURRENT is empty": { lost: false, do: () => files(/^CURRENT$/).forEach((f) => truncateSync(f, 0)) },
    "the manifest is truncated": { lost: false, do: () => files(/^MANIFEST/).forEach((f) => truncateSync(f, 10)) },
    "the manifest is gone": { lost: false, do: () => files(/^MANIFEST/).forEach((f) => rmSync(f)) },
    "a table is truncated": { lost: true, do: () => files(/\.ldb$/).forEach((f) => truncateSync(f, 40)) },
    "a table has flipped bits": { lost: true, do: () => files(/\.ldb$/).forEach(flip) },
    "a table is gone": { lost: true, do: () => files(/\.ldb$/).forEach((f) => rmSync(f)) },
    "every file is zeros": { lost: true, do: () => files(/^[^L]/).forEach((f) => writeFileSync(f, Buffer.alloc(200))) },
  };
  for (const [what, damage] of Object.entries(damages)) {
    it(`opens, and takes writes, when ${what}`, async () => {
      damage.do();
      const metadata = await openMetadata(path(), silentLogger);
      try {
        const images = await metadata.images();
        if (!damage.lost) assert.deepEqual(images.map(({ id }) => id), ["a", "b", "c", "d"]);
        await metadata.references();
        await metadata.containers();
        await metadata.changeImages({ put: [image("e")] });
        assert.ok((await metadata.images()).some(({ id }) => id === "e"));
      } finally { await metadata.close(); }
    });
  }

  it("says that another process uses it, and touches nothing", async () => {
    const first = await openMetadata(path(), silentLogger);
    try {
      await assert.rejects(openMetadata(path(), silentLogger), { code: "FAILED_PRECONDITION", message: /is another swarmd using/ });
      assert.equal((await first.images()).length, 4);
    } finally { await first.close(); }
  });

  it("loses nothing that it took after the disk was full, and takes writes again; a last bit of room is kept for removals", async () => {
    const disk = join(directory, "disk"), copy = join(directory, "copy");
    mkdirSync(disk);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=12m", "tmpfs", disk]);
    try {
      const metadata = await openMetadata(join(disk, "db"), silentLogger);
      const taken: string[] = [];
      const put = async (id: string) => { await metadata.changeImages({ put: [image(id)] }); taken.push(id); };
      await put("before");
      const fill = () => { for (const size of [65_536, 4096, 1]) try { for (;;) appendFileSync(join(disk, "filler"), Buffer.alloc(size)); } catch { /* full */ } };
      fill();
      await assert.rejects((async () => { for (let i = 0; i < 100; i++) await put(`on-a-full-disk-${i}`); })(), { code: "FAILED_PRECONDITION", message: /^Cannot write the engine's database: no space is left on the disk of/ });
      await metadata.changeImages({ removed: ["nothing"] });
      for (let i = 0; i < 10; i++) await put(`from-the-reserve-${i}`);
      fill();
      await assert.rejects((async () => { for (let i = 0; i < 100; i++) await put(`on-a-full-disk-again-${i}`); })(), { code: "FAILED_PRECONDITION" });
      rmSync(join(disk, "filler"));
      await Promise.all(Array.from({ length: 50 }, (_, i) => put(`after-${i}`)));
      // As a daemon that is killed now leaves it.
      cpSync(join(disk, "db"), copy, { recursive: true });
      await metadata.close();
      const next = await openMetadata(copy, silentLogger);
      try {
        const there = new Set((await next.images()).map(({ id }) => id));
        assert.deepEqual(taken.filter((id) => !there.has(id)), []);
      } finally { await next.close(); }
    } finally { execFileSync("umount", ["-l", disk]); }
  });
});
