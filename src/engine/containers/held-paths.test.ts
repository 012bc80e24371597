import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mountsBelow } from "../runtime/mountinfo.js";
import { Spawner } from "../runtime/spawner.js";
import { buildMonitor } from "../testing.js";
import { HeldPaths } from "./held-paths.js";

describe("engine: paths inside volumes", () => {
  let spawner: { close(): Promise<void> };
  let directory: string, root: string;
  let held: HeldPaths;
  before(async () => { spawner = await Spawner.open(buildMonitor()); });
  after(() => spawner?.close());
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "skein-held-"));
    root = join(directory, "volume");
    mkdirSync(join(root, "a/b"), { recursive: true });
    writeFileSync(join(root, "a/b/file"), "inner");
    held = new HeldPaths(join(directory, "parts"));
  });
  afterEach(async () => { await held.close(); rmSync(directory, { recursive: true }); });
  const descriptors = () => readdirSync("/proc/self/fd").length;
  const mounts = () => mountsBelow(readFileSync("/proc/self/mountinfo", "utf8"), directory).length;

  it("stay what they were when somebody puts a link in their place", async () => {
    const path = await held.hold(root, "a/b");
    renameSync(join(root, "a/b"), join(root, "a/moved"));
    symlinkSync("/etc", join(root, "a/b"));
    assert.deepEqual(readdirSync(path!), ["file"]);
  });
  it("follow links as if the volume were a root", async () => {
    for (const [name, target] of [["absolute", "/a/b"], ["up", "../../../../a/b"], ["chain", "absolute"], ["out", "/etc"], ["far", "../../../../../../etc"], ["round", "round"], ["a/back", "../absolute"]] as const) symlinkSync(target, join(root, name));
    for (const path of ["a/b", "absolute", "up", "chain", "a/back", "a/../absolute", "a/b/../../a//b/."]) assert.deepEqual(readdirSync((await held.hold(root, path))!), ["file"], path);
    assert.equal(readFileSync((await held.hold(root, "up/file"))!, "utf8"), "inner");
    for (const path of ["out", "far", "round", "out/passwd", "nothing", "a/b/file/x"]) assert.equal(await held.hold(root, path), undefined, path);
  });
  it("are held no longer than asked, also those that are not there", async () => {
    const before = descriptors();
    for (const path of ["a/b", "a/b/file", "a/none", "a/b/file/x"]) await held.hold(root, path);
    assert.deepEqual([descriptors(), mounts()], [before, 2]);
    await held.close();
    assert.equal(mounts(), 0);
    assert.deepEqual(readdirSync(join(directory, "parts")), []);
  });
  it("that a killed daemon left are let go by the next, and nothing of the volume is deleted", async () => {
    for (const path of ["a/b", "a/b/file"]) await held.hold(root, path);
    const next = new HeldPaths(join(directory, "parts"));
    assert.deepEqual(readdirSync((await next.hold(root, "a"))!), ["b"]);
    assert.equal(mounts(), 1);
    await next.close();
    assert.ok(existsSync(join(root, "a/b/file")));
  });
});
