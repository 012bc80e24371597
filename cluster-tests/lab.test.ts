import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { LabHosts, traces } from "./lab-hosts.js";
import { waitFor } from "./harness.js";
import { home, root, swarmctl } from "./run.js";

describe("a lab", function () {
  this.timeout(180_000);

  it("stands beside another, and leaves nothing behind", async () => {
    const [a, b] = await Promise.all(["laba", "labb"].map((name) => LabHosts.open({ name, managers: 1, workers: 1 })));
    try {
      assert.notEqual(a!.address("m1"), b!.address("m1"));
      const rows = JSON.parse((await swarmctl(["lab", "ls", "--format", "json"])).stdout) as { lab: string }[];
      assert.ok(rows.length >= 4);
      assert.equal((await a!.exec("w1", ["hostname"])).stdout.trim(), "w1");
      assert.equal((await a!.exec("w1", ["sh", "-c", "exit 7"])).code, 7);
    } finally { await Promise.all([a!.down(), b!.down()]); }
    assert.deepEqual([...await traces("laba"), ...await traces("labb")], []);
  });

  it("leaves nothing behind after kill -9 of every daemon and of the tool itself", async () => {
    const name = "labc";
    const up = spawn(join(root, "bin/swarmctl"), ["lab", "up", "--name", name, "--managers", "1", "--workers", "2"], { stdio: "ignore", env: { ...process.env, HOME: home } });
    await waitFor("the first namespaces", async () => (await traces(name)).some((line) => line.includes("cmdline")), 30_000);
    up.kill("SIGKILL");
    for (const host of ["m1", "w1"]) await swarmctl(["lab", "kill", "--name", name, "--daemon", host]);
    const down = await swarmctl(["lab", "down", "--name", name, "--yes"], { timeoutMs: 60_000 });
    assert.equal(down.code, 0, down.stderr);
    await waitFor("no trace", async () => (await traces(name)).length === 0, 10_000);
  });
});
