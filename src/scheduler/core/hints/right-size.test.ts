import assert from "node:assert/strict";
import { rightSize } from "./index.js";

const mib = 2 ** 20;

describe("what a service should set aside", () => {
  it("less, where it reserves much more than it uses: a fifth above that, in round numbers", () => {
    assert.deepEqual(rightSize("cpu", { reserved: 2_000, limit: 0, used: 301 }), { suggested: 370, advice: "reserves 2 CPU and uses 0.301: 0.37 would do" });
    assert.deepEqual(rightSize("memory", { reserved: 1024 * mib, limit: 0, used: 100 * mib }), { suggested: 120 * mib, advice: "reserves 1.0 GiB memory and uses 100.0 MiB: 120.0 MiB would do" });
    assert.equal(rightSize("cpu", { reserved: 1_000, limit: 0, used: 0 }).suggested, 10);
  });

  it("more, where it uses more than it reserves, but never above its limit", () => {
    assert.deepEqual(rightSize("memory", { reserved: 64 * mib, limit: 0, used: 100 * mib }), { suggested: 120 * mib, advice: "uses 100.0 MiB memory and reserves 64.0 MiB: its nodes are fuller than they seem" });
    assert.equal(rightSize("memory", { reserved: 64 * mib, limit: 110 * mib, used: 100 * mib }).suggested, 110 * mib);
    assert.match(rightSize("cpu", { reserved: 0, limit: 0, used: 900 }).advice, /^uses 0\.9 CPU and reserves none/);
  });

  it("nothing, where it is about right or too small to matter", () => {
    for (const observed of [{ reserved: 400, limit: 0, used: 320 }, { reserved: 390, limit: 0, used: 301 }, { reserved: 0, limit: 0, used: 5 }]) assert.deepEqual(rightSize("cpu", observed), { suggested: 0, advice: "" });
    assert.deepEqual(rightSize("memory", { reserved: 64 * mib, limit: 64 * mib, used: 64 * mib }), { suggested: 0, advice: "" });
  });
});
