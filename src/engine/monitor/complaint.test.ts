import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { buildMonitor } from "../testing.js";

describe("engine: the monitor and a runtime that cannot start a container", function () {
  this.timeout(30_000);
  let directory: string;
  beforeEach(() => { directory = mkdtempSync(join(tmpdir(), "skein-complaint-")); });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const start = async (script: string): Promise<{ error?: string }> => {
    const runtime = join(directory, "runtime");
    writeFileSync(runtime, `#!/bin/sh\n[ "$1" = delete ] && exit 0\n${script}\n`, { mode: 0o755 });
    const monitor = spawn(buildMonitor(), ["run", "--id", "x", "--dir", directory, "--bundle", directory, "--exit-file", join(directory, "exit.json"), "--", runtime], { stdio: ["ignore", "ignore", "ignore", "pipe"] });
    const parts: Buffer[] = [];
    for await (const part of monitor.stdio[3] as Readable) parts.push(part as Buffer);
    return JSON.parse(Buffer.concat(parts).toString()) as { error?: string };
  };

  it("reports the end of a complaint, however long it is", async () => {
    assert.equal((await start("echo short >&2; exit 1")).error, "short\n");
    const { error } = await start("head -c 300000 /dev/zero | tr '\\0' x >&2; echo >&2; echo the reason >&2; exit 1");
    assert.deepEqual([error!.length, error!.slice(-13)], [8192, "x\nthe reason\n"]);
    assert.equal(existsSync(join(directory, "attach.sock")), false);
  });

  it("ends a runtime that never stops complaining", async () => {
    assert.match((await start("exec yes no >&2")).error!, /no\nno/);
  });
});
