import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { busyboxImage, demoImage } from "../../../scripts/base-images.js";
import { pushImage, startRegistry, type TestRegistry } from "../registry/testing.js";
import { openEngineRig, type EngineRig } from "../testing.js";

describe("engine: a daemon killed in the middle of its images", function () {
  this.timeout(120_000);
  let registry: TestRegistry;
  let rig: EngineRig;
  before(async () => { registry = await startRegistry(); await pushImage(registry.host, "team/demo", "1", await demoImage(await busyboxImage())); });
  after(() => registry?.close());
  beforeEach(async () => { rig = await openEngineRig(); });
  afterEach(() => rig?.close());

  it("leaves nothing that the next one does not use or clear away", async () => {
    const script = join(dirname(fileURLToPath(import.meta.url)), "testdata/images-churn.ts");
    const names = (...path: string[]) => readdirSync(join(rig.config.stateDir, ...path));
    for (let i = 0; i < 8; i++) {
      await rig.engine().close();
      const child = spawn(process.execPath, ["--import", "tsx", script, JSON.stringify({ ...rig.config, log: undefined, clock: undefined }), registry.host], { stdio: ["ignore", "pipe", "inherit"] });
      const exited = new Promise((resolve) => child.once("exit", resolve));
      await new Promise<void>((resolve, reject) => { child.stdout.once("data", () => resolve()); child.once("exit", (code) => reject(new Error(`the daemon ended with ${code}`))); });
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 700));   // anywhere in its work: the moment is the test
      child.kill("SIGKILL");
      await exited;
      await rig.reopen();
      const { images, volumes } = rig.engine();
      // Whatever is listed is whole: it can be looked at, saved and run from.
      for (const image of await images.list({ isAll: true })) {
        await images.inspect(image.id);
        await images.history(image.id);
        for await (const _ of images.save([image.id]));
      }
      assert.equal((await images.pull(`${registry.host}/team/demo:1`)).os, "linux");
      assert.ok((await rig.output(await rig.run(`${registry.host}/team/demo:1`, ["ls", "/srv"]))).includes("www"));
      for (const { id } of await rig.engine().list()) await rig.engine().remove(id, { force: true });
      await images.prune({ isAll: true });
      await volumes.prune({ isAll: true });
      assert.deepEqual([names("content", "sha256"), names("content", "ingest"), names("volumes"), await images.list({ isAll: true })], [[], [], [], []]);
      assert.deepEqual(names("snapshots").filter((name) => /^[0-9a-f]{64}$/.test(name) || name.startsWith("new-")), []);
    }
  });
});
