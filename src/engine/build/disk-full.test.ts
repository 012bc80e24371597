import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pack } from "tar-stream";
import { busyboxImage, dockerSave } from "../../../scripts/base-images.js";
import { openEngineRig, type EngineRig } from "../testing.js";

describe("engine: build on a disk that becomes full", function () {
  this.timeout(120_000);
  let rig: EngineRig | undefined;
  let disk: string;
  before(async () => {
    disk = mkdtempSync(join(tmpdir(), "skein-full-"));
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=40m", "skein-test", disk]);
    rig = await openEngineRig({ stateDir: join(disk, "state") });
    await rig.engine().images.load(dockerSave(await busyboxImage()));
  });
  after(async () => {
    await rig?.close();
    execFileSync("umount", ["--recursive", disk]);
    rmSync(disk, { recursive: true });
  });

  const usedBytes = () => { const { blocks, bfree, bsize } = statfsSync(disk); return (blocks - bfree) * bsize; };
  function build(dockerfile: string, bigBytes = 0): Promise<string> {
    const context = pack();
    context.entry({ name: "Dockerfile" }, dockerfile);
    context.entry({ name: "big" }, Buffer.alloc(bigBytes, 1));
    context.finalize();
    return rig!.engine().build({ context: context as unknown as AsyncIterable<Uint8Array>, dockerfile: "Dockerfile", tags: [], buildArgs: {}, labels: {}, cacheFrom: [], networkMode: "none", onOutput: () => {}, signal: new AbortController().signal });
  }

  for (const [what, dockerfile, bigBytes, why] of [
    ["the context", "FROM busybox\nCOPY big /\n", 60_000_000, /no space is left/], ["a command", "FROM busybox\nRUN dd if=/dev/urandom of=/x bs=1M count=60\n", 0, /non-zero code: 1/],
    ["the layer of a command", "FROM busybox\nRUN dd if=/dev/urandom of=/x bs=1M count=22\n", 0, /no space is left/], ["the layer of a copy", "FROM busybox\nCOPY big /\n", 15_000_000, /no space is left/],
  ] as const) {
    it(`says so and gives the space back when ${what} has no room`, async () => {
      const before = usedBytes();
      await assert.rejects(build(dockerfile, bigBytes), why);
      assert.ok(usedBytes() < before + 1_000_000, `${usedBytes()} bytes are used, ${before} before`);
      assert.match(await build("FROM busybox\nRUN echo there is room again\n"), /^sha256:/);
    });
  }
});
