import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { diskFull } from "./disk-full.js";
import { containerConfig, openEngineRig } from "./testing.js";

describe("engine: a full disk", () => {
  it("is told as a sentence that names the disk, also below another error", async () => {
    const enospc = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    for (const error of [enospc, new Error("Database failed", { cause: enospc }), new Error("IO error: 000032.log: No space left on device")]) {
      await assert.rejects(diskFull("load the image archive", "/var/lib/skein", Promise.reject(error)), {
        code: "FAILED_PRECONDITION", message: 'Cannot load the image archive: no space is left on the disk of "/var/lib/skein"; free some, for example with "swarmctl image rm", and try again',
      });
    }
    await assert.rejects(diskFull("x", "/", Promise.reject(new Error("another"))), { message: "another" });
    assert.equal(await diskFull("x", "/", Promise.resolve(1)), 1);
  });

  it("refuses an image, and takes it when there is room again", async () => {
    const directory = mkdtempSync(join(tmpdir(), "skein-full-"));
    const stateDir = join(directory, "state");
    mkdirSync(stateDir);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", stateDir]);
    try {
      const rig = await openEngineRig({ stateDir });
      try {
        writeFileSync(join(directory, "big"), Buffer.alloc(4 * 1024 * 1024, "data"));
        const tar = execFileSync("tar", ["-C", directory, "-c", "big"], { maxBuffer: 64 * 1024 * 1024 });
        const load = async () => rig.engine().images.import((async function* () { yield tar; })(), { reference: "big:1" });
        await assert.rejects(load(), { code: "FAILED_PRECONDITION", message: /^Cannot import image "big:1": no space is left on the disk of/ });
        execFileSync("mount", ["-o", "remount,size=64m", stateDir]);
        assert.deepEqual((await load()).references, ["docker.io/library/big:1"]);
        await rig.engine().create(containerConfig({ image: "big:1", args: ["/x"] }));
      } finally { await rig.close(); }
    } finally {
      execFileSync("umount", [stateDir]);
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
