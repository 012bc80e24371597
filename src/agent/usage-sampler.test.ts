import assert from "node:assert/strict";
import { silentLogger } from "../lib/index.js";
import { FakeClock, waitFor } from "../lib/testing.js";
import { sampleEveryMs } from "./core/usage-window.js";
import { UsageSampler } from "./usage-sampler.js";

describe("the sampler of what a host uses", () => {
  it("looks every ten seconds, also after a look that failed, until it is stopped", async () => {
    const clock = new FakeClock();
    let looks = 0;
    const sampler = new UsageSampler({
      clock, log: silentLogger,
      async sample() {
        if (++looks === 2) throw new Error("the kernel has no such file");
        return { cpuBusyNs: looks * 1e9, memoryBytes: 7, tasks: [] };
      },
    });
    /** The look itself takes a turn or two: its timer is there after that. */
    const next = async (count: number) => { await waitFor(`look ${count}`, () => { if (looks < count) clock.advance(sampleEveryMs); return looks === count; }); };
    await next(1);
    assert.equal(sampler.report(), undefined);
    await next(3);
    await waitFor("the report", () => sampler.report());
    assert.equal(sampler.report()!.memoryBytes, 7);
    sampler.stop();
    clock.advance(10 * sampleEveryMs);
    await new Promise<void>((resolve) => { setImmediate(resolve); });
    assert.equal(looks, 3);
  });
});
