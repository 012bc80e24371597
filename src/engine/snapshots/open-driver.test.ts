import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { busyboxImage, dockerSave } from "../../../scripts/base-images.js";
import { codeOf, silentLogger, type Logger } from "../../lib/index.js";
import { mountsBelow } from "../runtime/mountinfo.js";
import { Spawner } from "../runtime/spawner.js";
import { buildMonitor, openEngineRig } from "../testing.js";
import { openDriver, type StorageDriverName } from "./open-driver.js";

describe("choice of the storage driver", function () {
  this.timeout(60_000);
  const monitorPath = buildMonitor();
  let directory: string;
  let spawner: { close(): Promise<void> };
  const warnings: string[] = [];
  const log: Logger = { ...silentLogger, warn: (message, fields) => { warnings.push(`${message}: ${String(fields?.["reason"])}`); } };
  const at = (name: string, wanted?: StorageDriverName) => openDriver({ paths: { snapshots: join(directory, name), containers: join(directory, `${name}-containers`) }, monitorPath, log, ...(wanted ? { wanted } : {}) });
  const layerOf = async (driver: Awaited<ReturnType<typeof at>>) => {
    const tar = Buffer.alloc(1024);
    await driver.unpack([`sha256:${createHash("sha256").update(tar).digest("hex")}`], async function* () { yield tar; });
  };

  before(async () => { directory = mkdtempSync(join(tmpdir(), "skein-choice-")); spawner = await Spawner.open(monitorPath); });
  afterEach(() => { warnings.length = 0; });
  after(async () => {
    for (const mount of mountsBelow(readFileSync("/proc/self/mountinfo", "utf8"), directory).reverse()) execFileSync(monitorPath, ["unmount", mount]);
    rmSync(directory, { recursive: true, force: true });
    await spawner?.close();
  });

  it("is overlay where that works, and leaves nothing of the trial", async () => {
    assert.equal((await at("plain")).name, "overlay");
    assert.deepEqual([readdirSync(join(directory, "plain")).sort(), warnings], [["driver", "empty", "init", "l", "writable"], []]);
  });

  it("is what was used before; another one is refused in words, until nothing is stored any more", async () => {
    const driver = await at("kept", "vfs");
    await layerOf(driver);
    assert.equal((await at("kept")).name, "vfs");
    await assert.rejects(at("kept", "overlay"), (error) => codeOf(error) === "FAILED_PRECONDITION" && /Cannot use storage driver overlay in ".*kept": what is there was stored with vfs; ask for vfs/.test(String(error)));
    await driver.keepOnly([]);
    assert.equal((await at("kept", "overlay")).name, "overlay");
  });

  it("takes a directory of the first version for overlay, and its containers' files with it", async () => {
    const id = "a".repeat(20);
    mkdirSync(join(directory, "old", "f".repeat(64)), { recursive: true });
    for (const name of ["upper", "work"]) mkdirSync(join(directory, "old-containers", id, name), { recursive: true });
    writeFileSync(join(directory, "old-containers", id, "upper", "written"), "before");
    const driver = await at("old");
    assert.deepEqual([driver.name, await driver.writable(), readFileSync(join(directory, "old/writable", id, "upper/written"), "utf8")], ["overlay", [id], "before"]);
  });

  it("falls to the next where the kernel refuses overlays, and says so once", async () => {
    // A state directory on an overlay, as within a container.
    for (const name of ["lower", "upper", "work", "nested"]) mkdirSync(join(directory, name));
    execFileSync("mount", ["-t", "overlay", "-o", `lowerdir=${join(directory, "lower")},upperdir=${join(directory, "upper")},workdir=${join(directory, "work")}`, "overlay", join(directory, "nested")]);
    const driver = await at("nested/s");
    assert.ok(driver.name !== "overlay");
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]!, /^storage driver (fuse-overlayfs|vfs) is used, which is slower: overlay does not work here: /);
    await layerOf(driver);
    assert.equal((await at("nested/s")).name, driver.name);
    assert.equal(warnings.length, 1);
    await assert.rejects(at("nested/t", "overlay"), (error) => codeOf(error) === "FAILED_PRECONDITION" && /Cannot store images in ".*nested\/t": overlay does not work here/.test(String(error)));
    await assert.rejects(at("nested/s", "overlay"), /was stored with/);
  });

  for (const storageDriver of ["vfs", "fuse-overlayfs"] as const) {
    it(`${storageDriver}: the whole engine runs on it, over restarts of the daemon`, async () => {
      const rig = await openEngineRig({ storageDriver });
      try {
        await rig.engine().images.load(dockerSave(await busyboxImage()));
        const id = await rig.run("busybox", ["sh", "-c", "echo kept > /kept; rm /etc/group; exec sleep 1000"]);
        const info = await rig.engine().info();
        assert.deepEqual([info.storageDriver, info.storageStatus[0]?.[0]], [storageDriver, "Backing Filesystem"]);
        await rig.reopen();
        assert.equal((await rig.engine().exec(id, { command: ["cat", "/kept"], timeoutMs: 10_000 })).output, "kept\n");
        assert.deepEqual((await rig.engine().changes(id)).map(({ path }) => path), ["/etc", "/etc/group", "/kept"]);
        assert.equal((await rig.engine().find(id)).graphDriver.name, storageDriver);
        await rig.engine().commit(id, { reference: "of-it:1" });
        const second = await rig.run("of-it:1", ["sh", "-c", "cat /kept; ls /etc/group"]);
        assert.deepEqual([(await rig.engine().wait(second)).exitCode, (await rig.output(second))[0]], [1, "kept"]);
        await rig.engine().remove(id, { force: true });
      } finally { await rig.close(); }
    });
  }
});
