import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { busyboxImage, dockerSave } from "../../../scripts/base-images.js";
import { openEngineRig } from "../testing.js";
import { removeTree } from "./remove-tree.js";

describe("engine: trees of files", function () {
  this.timeout(60_000);

  it("of a container and its volume are deleted, although no path names their ends", async () => {
    const rig = await openEngineRig();
    try {
      const engine = rig.engine();
      await engine.images.load(dockerSave(await busyboxImage()));
      // Two halves of 3,600 bytes, the second moved to the end of the first.
      const deep = 'half=$(printf "/%060d" $(seq 60)); for top in /v /w; do mkdir -p "$top/a$half" "$top/b$half" && mv "$top/b" "$top/a$half/" || exit 1; done';
      const id = await rig.run("busybox", ["sh", "-c", deep], { mounts: [{ type: "volume", name: "deep", target: "/v", readOnly: false }] });
      assert.equal((await engine.wait(id)).exitCode, 0);
      await engine.remove(id);
      await engine.volumes.remove("deep");
      assert.deepEqual(readdirSync(join(rig.config.stateDir, "snapshots", "writable")), []);
      assert.deepEqual(readdirSync(join(rig.config.stateDir, "snapshots")).filter((name) => name.startsWith("new-")), []);
      assert.deepEqual(readdirSync(join(rig.config.stateDir, "volumes")), []);
    } finally { await rig.close(); }
  });

  it("keep what is mounted in them, and that is told", async () => {
    const directory = mkdtempSync(join(tmpdir(), "skein-tree-"));
    const mounted = join(directory, "tree", "mounted");
    mkdirSync(mounted, { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "tmpfs", mounted]);
    try {
      writeFileSync(join(mounted, "kept"), "");
      await assert.rejects(removeTree(join(directory, "tree")), /cannot delete ".+tree": .*mounted/);
      assert.ok(existsSync(join(mounted, "kept")));
    } finally {
      execFileSync("umount", [mounted]);
      rmSync(directory, { recursive: true });
    }
    await removeTree(directory, join(directory, "never there"));
  });
});
