import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, rmdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "../../lib/index.js";
import { buildMonitor } from "../testing.js";
import { readCgroupLayout } from "./cgroups.js";
import { Runtimes } from "./runtimes.js";
import { seccompProfile } from "./seccomp-default.js";
import { Spawner } from "./spawner.js";

describe("engine: which OCI runtimes work", function () {
  this.timeout(60_000);
  let directory: string;
  let helper: { close(): Promise<void> };
  const cgroups = readCgroupLayout(readFileSync("/proc/self/mountinfo", "utf8"));
  const cgroupParent = `/skein-test-${randomBytes(5).toString("hex")}`;
  before(async () => { helper = await Spawner.open(buildMonitor()); directory = mkdtempSync(join(tmpdir(), "skein-runtimes-")); });
  after(async () => {
    await helper.close();
    rmSync(directory, { recursive: true, force: true });
    for (const mount of cgroups.mounts) if (existsSync(mount + cgroupParent)) rmdirSync(mount + cgroupParent);
  });
  const open = (wanted: string) => Runtimes.open({
    wanted, root: join(directory, "runtime"), trialDirectory: join(directory, "trial"), cacheDirectory: join(directory, "seccomp"), cgroups, cgroupParent, monitorPath: buildMonitor(), bootId: "this", log: silentLogger,
  });
  const program = (name: string, script: string) => { const path = join(directory, name); writeFileSync(path, `#!/bin/sh\n${script}\n`); chmodSync(path, 0o755); return path; };

  it("the fastest that works is chosen; all that work are told", async () => {
    const runtimes = await open("auto");
    assert.equal(runtimes.preferred.name, "crun");
    assert.deepEqual(runtimes.list().map((each) => each.name), ["crun", "runc"]);
    assert.equal((await open("runc")).preferred.name, "runc");
    assert.equal((await open("/usr/sbin/runc")).preferred.path, "/usr/sbin/runc");
  });
  it("a trial leaves nothing but its result, which holds for this boot", async () => {
    await open("auto");
    assert.deepEqual(readdirSync(join(directory, "trial")), ["runtimes.json"]);
    for (const mount of cgroups.mounts) if (existsSync(mount + cgroupParent)) assert.deepEqual(readdirSync(mount + cgroupParent, { withFileTypes: true }).filter((entry) => entry.isDirectory()), []);
    const before = readFileSync(join(directory, "trial/runtimes.json"), "utf8");
    await open("auto");
    assert.equal(readFileSync(join(directory, "trial/runtimes.json"), "utf8"), before);
  });
  it("one that is missing, lies about itself or fails is refused with its reason", async () => {
    await assert.rejects(open("/no/such/runtime"), /the OCI runtime "\/no\/such\/runtime" cannot be run \(it is not installed\); install Debian's package crun or runc/);
    await assert.rejects(open(program("broken", "echo 'no luck today' >&2; exit 1")), /cannot be run \(no luck today\)/);
    await assert.rejects(open(program("pretender", '[ "$1" = --version ] && echo pretender version 9.9 && exit 0; echo "I do not really run" >&2; exit 1')), /cannot be run \(I do not really run\)/);
  });
  it("what is half written about trials is tried again", async () => {
    writeFileSync(join(directory, "trial/runtimes.json"), '[{"key');
    assert.equal((await open("auto")).preferred.name, "crun");
  });
  it("crun gets the filter that it compiled once, runc the profile; a damaged filter is compiled again, and what cannot be compiled stays as it is", async () => {
    const config = { linux: { seccomp: seccompProfile([]), cgroupsPath: "/x" }, annotations: { mine: "1" } };
    const key = "run.oci.seccomp_bpf_data";
    const runtimes = await open("auto");
    const adapted = await runtimes.adapt(config, runtimes.preferred) as { linux: object; annotations: Record<string, string> };
    assert.deepEqual([adapted.linux, adapted.annotations["mine"]], [{ cgroupsPath: "/x" }, "1"]);
    const files = () => readdirSync(join(directory, "seccomp"));
    assert.equal(files().length, 1);
    const path = join(directory, "seccomp", files()[0]!);
    const filter = readFileSync(path);
    assert.equal(adapted.annotations[key], filter.toString("base64"));
    assert.equal(await runtimes.adapt(config, runtimes.named("runc")), config);

    for (const damaged of [Buffer.alloc(0), Buffer.alloc(filter.length), filter.subarray(0, 13)]) {
      writeFileSync(path, damaged);
      const again = await open("auto");
      assert.equal((await again.adapt(config, again.preferred) as typeof adapted).annotations[key], filter.toString("base64"));
    }
    const both = await Promise.all([{}, {}].map(() => runtimes.adapt({ linux: { seccomp: seccompProfile(["CAP_SYS_ADMIN"]) } }, runtimes.preferred) as Promise<typeof adapted>));
    assert.equal(both[0]!.annotations[key], both[1]!.annotations[key]);
    assert.notEqual(both[0]!.annotations[key], adapted.annotations[key]);
    for (const seccomp of [{ defaultAction: "SCMP_ACT_NOPE", syscalls: [] }, { defaultAction: "SCMP_ACT_ALLOW", listenerPath: "/run/x", syscalls: [] }]) {
      const own = { linux: { seccomp } };
      assert.equal(await runtimes.adapt(own, runtimes.preferred), own);
    }
  });
});
