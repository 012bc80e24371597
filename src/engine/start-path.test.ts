import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { busyboxImage, dockerSave } from "../../scripts/base-images.js";
import { waitFor } from "../lib/testing.js";
import { Spawner } from "./runtime/spawner.js";
import { containerConfig, openEngineRig, type EngineRig } from "./testing.js";

/** Processes whose command line names the rig: monitors and runtimes. */
function processesOf(directory: string): number[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try { return pid !== process.pid && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(directory); } catch { return false; }
  });
}

async function assertNothingLeft(rig: EngineRig): Promise<void> {
  await waitFor("no process is left", () => processesOf(rig.directory).length === 0, 20_000);
  assert.ok(!readFileSync("/proc/self/mountinfo", "utf8").includes(rig.directory), "a mount is left");
  for (const name of ["containers", "runtime", "runtime-crun"]) { const path = join(rig.config.runDir, name); if (existsSync(path)) assert.deepEqual(readdirSync(path), [], name); }
  for (const mount of readdirSync("/sys/fs/cgroup")) {
    const group = join("/sys/fs/cgroup", mount, rig.config.cgroupParent);
    if (existsSync(group)) assert.deepEqual(readdirSync(group, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => entry.name), [], mount);
  }
}

describe("engine: the start path", function () {
  this.timeout(180_000);
  let rig: EngineRig;
  beforeEach(async () => { rig = await openEngineRig(); await rig.engine().images.load(dockerSave(await busyboxImage())); });
  afterEach(() => rig.close());

  it("200 containers at once: all run, are looked at, and end, and nothing is left", async () => {
    const ids = await Promise.all(Array.from({ length: 200 }, () => rig.run("busybox", ["sleep", "1000"])));
    assert.deepEqual((await rig.engine().list()).map((c) => c.phase), ids.map(() => "running"));
    const samples = await Promise.all(ids.map(async (id) => { for await (const sample of rig.engine().stats(id, { isOneShot: true, signal: AbortSignal.timeout(60_000) })) return sample.pids.current; return 0; }));
    assert.deepEqual(samples, ids.map(() => 1));
    assert.equal((await rig.engine().exec(ids[99]!, { command: ["echo", "here"], timeoutMs: 60_000 })).output, "here\n");
    const exits = await Promise.all(ids.map(async (id) => { await rig.engine().stop(id, { graceMs: 0 }); return (await rig.engine().wait(id)).exitCode; }));
    assert.deepEqual(exits, ids.map(() => 137));
    await Promise.all(ids.map((id) => rig.engine().remove(id)));
    await assertNothingLeft(rig);
  });

  it("a spawn helper killed at any moment costs at most a request: what runs is known, what does not run is gone, and the next start works", async () => {
    for (const delayMs of [1, 4, 8, 12, 16, 20, 25, 30, 40, 60]) {
      const told = (error: Error) => { if (error.name !== "SwarmError") throw error; };
      const lives = Array.from({ length: 3 }, async () => {
        const spec = containerConfig({ args: ["sleep", "1000"] });
        await rig.engine().create(spec).then(() => rig.engine().start(spec.id)).catch(told);
        return spec.id;
      });
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      process.kill(Spawner.current()!.pid!, "SIGKILL");
      for (const id of await Promise.all(lives)) {
        const state = await rig.engine().inspect(id);
        if (state?.phase === "running") assert.equal((await rig.engine().exec(id, { command: ["true"], timeoutMs: 20_000 })).exitCode, 0);
        if (state && state.phase !== "running") { await rig.engine().start(id); assert.equal((await rig.engine().inspect(id))!.phase, "running"); }
        await rig.engine().remove(id, { force: true });
      }
      await assertNothingLeft(rig);
    }
  });
});
