import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { diskFull } from "./disk-full.js";
import { busyboxImage, dockerSave } from "../../scripts/base-images.js";
import { waitFor } from "../lib/testing.js";
import { pushImage, startRegistry } from "./registry/testing.js";
import { containerConfig, openEngineRig } from "./testing.js";

const mebibyte = 1024 * 1024;

describe("engine: a full disk", function () {
  this.timeout(120_000);

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

  it("stops and removes containers all the same, and their room is free", async () => {
    const directory = mkdtempSync(join(tmpdir(), "skein-full-"));
    const stateDir = join(directory, "state");
    mkdirSync(stateDir);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=32m", "tmpfs", stateDir]);
    const fill = () => { for (const size of [65_536, 1]) try { for (;;) appendFileSync(join(stateDir, "filler"), Buffer.alloc(size)); } catch { /* full */ } };
    try {
      const rig = await openEngineRig({ stateDir });
      try {
        await rig.engine().images.load(dockerSave(await busyboxImage()));
        const idle = await rig.run("busybox", ["sleep", "1000"]);
        const writing = await rig.run("busybox", ["sh", "-c", "cat /dev/zero >/big; exec sleep 1000"]);
        const spec = containerConfig({ args: ["true"] });
        await rig.engine().create(spec);
        fill();
        await rig.engine().stop(idle, { graceMs: 0 });
        fill();
        await assert.rejects(rig.engine().create(containerConfig()), { code: "FAILED_PRECONDITION", message: /no space is left on the disk of/ });
        for (const id of [spec.id, idle]) await rig.engine().remove(id, { force: true });
        await rig.engine().remove(writing, { force: true });
        assert.deepEqual(await rig.engine().list(), []);
        rmSync(join(stateDir, "filler"));
        const id = await rig.run("busybox", ["sleep", "1000"]);
        await rig.reopen();
        assert.deepEqual((await rig.engine().list()).map((each) => [each.id, each.phase]), [[id, "running"]]);
      } finally { await rig.close(); }
    } finally {
      execFileSync("umount", ["-l", stateDir]);
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it("refuses a pull, a copy and a commit, gives their room back, and takes them when there is room again", async () => {
    const directory = mkdtempSync(join(tmpdir(), "skein-full-"));
    const stateDir = join(directory, "state");
    mkdirSync(stateDir);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=40m", "tmpfs", stateDir]);
    const registry = await startRegistry();
    const usedBytes = () => { const { blocks, bfree, bsize } = statfsSync(stateDir); return (blocks - bfree) * bsize; };
    const layerOf = (name: string, bytes: Buffer) => { writeFileSync(join(directory, name), bytes); return execFileSync("tar", ["-C", directory, "-c", name], { maxBuffer: 512 * 1024 * 1024 }); };
    const full = { code: "FAILED_PRECONDITION", message: /no space is left on the disk of/ } as const;
    try {
      // One that is as large as it is, and one of which hardly anything arrives.
      for (const [name, bytes] of [["noise", randomBytes(24 * mebibyte)], ["zeros", Buffer.alloc(100 * mebibyte)]] as const) await pushImage(registry.host, name, "1", { layers: [layerOf(name, bytes)], config: {} });
      const rig = await openEngineRig({ stateDir });
      try {
        const engine = rig.engine();
        await engine.images.load(dockerSave(await busyboxImage()));
        const id = await rig.run("busybox", ["sleep", "1000"]);
        const before = usedBytes();
        const isFreed = () => waitFor("the room to be free", () => usedBytes() < before + mebibyte);
        for (const name of ["noise", "zeros"]) {
          await assert.rejects(engine.images.pull(`${registry.host}/${name}:1`), full);
          await isFreed();
        }
        const archive = layerOf("large", randomBytes(60 * mebibyte));
        await assert.rejects(engine.writeArchive(id, "/", (async function* () { yield archive; })(), {}), /[Nn]o space/);
        await engine.exec(id, { command: ["rm", "-f", "/large"], timeoutMs: 10_000 });
        await isFreed();
        await engine.exec(id, { command: ["dd", "if=/dev/urandom", "of=/half", "bs=1M", "count=25"], timeoutMs: 10_000 });
        await assert.rejects(engine.commit(id, { reference: "half:1" }), full);
        await engine.exec(id, { command: ["rm", "/half"], timeoutMs: 10_000 });
        await isFreed();
        execFileSync("mount", ["-o", "remount,size=400m", stateDir]);
        for (const name of ["noise", "zeros"]) await engine.images.pull(`${registry.host}/${name}:1`);
        assert.equal((await engine.images.list()).length, 3);
      } finally { await rig.close(); }
    } finally {
      await registry.close();
      execFileSync("umount", ["-l", stateDir]);
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
