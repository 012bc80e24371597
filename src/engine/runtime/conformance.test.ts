import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { busyboxImage, dockerSave } from "../../../scripts/base-images.js";
import { waitFor } from "../../lib/testing.js";
import type { ContainerConfig } from "../api/index.js";
import { containerConfig, openEngineRig, type EngineRig } from "../testing.js";

const mebibyte = 1024 * 1024;
const none = { cpuMillis: 0, memoryBytes: 0, pids: 0 };
const churn = join(dirname(fileURLToPath(import.meta.url)), "../containers/testdata/churn.ts");

/** What the engine needs of an OCI runtime. Each one that it may choose passes. */
for (const name of ["runc", "crun"]) {
  describe(`engine: the OCI runtime ${name}`, function () {
    this.timeout(90_000);
    let rig: EngineRig;
    before(async () => { rig = await openEngineRig({ runtime: name }); await rig.engine().images.load(dockerSave(await busyboxImage())); });
    after(() => rig.close());

    const run = (script: string, more: Partial<ContainerConfig> = {}) => rig.run("busybox", ["sh", "-c", script], more);
    const exitOf = async (script: string, more: Partial<ContainerConfig> = {}) => { const id = await run(script, more); const exit = await rig.engine().wait(id); await rig.engine().remove(id); return exit; };
    const said = async (script: string, more: Partial<ContainerConfig> = {}) => { const id = await run(script, more); const lines = await rig.output(id); await rig.engine().remove(id, { force: true }); return lines; };
    const exec = (id: string, ...command: string[]) => rig.engine().exec(id, { command, timeoutMs: 20_000 });
    const groupFile = async (id: string, controller: string, v1: string, v2: string) => {
      const isV2 = (await rig.engine().info()).cgroups === "v2";
      return readFileSync(join("/sys/fs/cgroup", isV2 ? "" : controller, rig.config.cgroupParent, id, isV2 ? v2 : v1), "utf8").trim();
    };
    const root = () => join(rig.config.runDir, name === "runc" ? "runtime" : `runtime-${name}`);
    const leavesNothing = (id: string) => {
      assert.ok(!existsSync(join(root(), id)), "its state is left");
      for (const mount of readdirSync("/sys/fs/cgroup")) assert.ok(!existsSync(join("/sys/fs/cgroup", mount, rig.config.cgroupParent, id)), `its group in ${mount} is left`);
      assert.ok(!readFileSync("/proc/self/mountinfo", "utf8").includes(id), "a mount is left");
    };

    it("is the one that runs", async () => {
      const { runtime, runtimes } = await rig.engine().info();
      assert.ok(runtime.startsWith(`${name} `));
      assert.ok(runtimes.some((each) => each.name === name && each.path.startsWith("/") && each.version === runtime));
    });
    it("gives back exit codes, and the signal that ended it", async () => {
      assert.equal((await exitOf("exit 0")).exitCode, 0);
      assert.equal((await exitOf("exit 42")).exitCode, 42);
      assert.equal((await exitOf("kill -9 $$; exit 3")).exitCode, 3);   // PID 1 does not hear its own SIGKILL
      const id = await run("sleep 1000");
      await rig.engine().kill(id, "KILL");
      assert.equal((await rig.engine().wait(id)).exitCode, 137);
      await rig.engine().remove(id);
      leavesNothing(id);
    });
    it("says what is wrong with a command, with Docker's exit codes, and leaves nothing", async () => {
      for (const [args, exitCode] of [[["nope"], 127], [["/nope"], 127], [["/etc/passwd"], 126], [["/etc"], 126]] as const) {
        const spec = containerConfig({ args });
        await rig.engine().create(spec);
        await assert.rejects(rig.engine().start(spec.id), new RegExp(`command "${args[0]}"`));
        assert.equal((await rig.engine().wait(spec.id)).exitCode, exitCode, args[0]);
        await rig.engine().remove(spec.id);
        leavesNothing(spec.id);
      }
    });
    it("lets signals through to a process that catches them", async () => {
      const id = await run("trap 'echo got; exit 7' USR1; echo ready; while :; do sleep 0.05; done");
      const lines: string[] = [];
      for await (const { line } of rig.engine().logs(id, { follow: true })) { lines.push(line.toString().trim()); if (lines.length === 1) await rig.engine().kill(id, "USR1"); }
      assert.deepEqual([lines, (await rig.engine().wait(id)).exitCode], [["ready", "got"], 7]);
      await rig.engine().remove(id);
    });
    it("ends what takes more memory than it has, and says so", async () => {
      const exit = await exitOf("head -c 100m /dev/zero | tail", { limits: { ...none, memoryBytes: 16 * mebibyte } });
      assert.deepEqual([exit.isOomKilled, exit.exitCode], [true, 137]);
    });
    it("freezes and thaws", async () => {
      const id = await run("i=0; while :; do i=$((i+1)); echo $i > /count; sleep 0.01; done");
      const count = async () => Number((await exec(id, "cat", "/count")).output);
      await waitFor("it counts", async () => (await count()) > 2);
      await rig.engine().pause(id);
      const isV2 = (await rig.engine().info()).cgroups === "v2";
      const state = () => groupFile(id, "freezer", "freezer.state", "cgroup.freeze");
      // A process in the middle of a fork is frozen a moment later (cgroup v1: FREEZING meanwhile).
      await waitFor("it is frozen", async () => (await state()) === (isV2 ? "1" : "FROZEN"));
      await rig.engine().unpause(id);
      assert.equal(await state(), isV2 ? "0" : "THAWED");
      const before = await count();
      await waitFor("it goes on", async () => (await count()) > before);
      await rig.engine().pause(id);
      await rig.engine().remove(id, { force: true });
      leavesNothing(id);
    });
    it("has its limits in the kernel, and takes others while it runs", async () => {
      const id = await run("sleep 1000", { limits: { cpuMillis: 500, memoryBytes: 64 * mebibyte, pids: 33 } });
      const limits = async () => [await groupFile(id, "memory", "memory.limit_in_bytes", "memory.max"), await groupFile(id, "pids", "pids.max", "pids.max"), (await groupFile(id, "cpu", "cpu.cfs_quota_us", "cpu.max")).split(" ")[0]];
      assert.deepEqual(await limits(), [String(64 * mebibyte), "33", "50000"]);
      await rig.engine().update(id, { limits: { cpuMillis: 250, memoryBytes: 96 * mebibyte, pids: 44 } });
      assert.deepEqual(await limits(), [String(96 * mebibyte), "44", "25000"]);
      await rig.engine().update(id, { limits: { pids: 0 } });
      assert.equal((await limits())[1], "max");
      await rig.engine().remove(id, { force: true });
      leavesNothing(id);
    });
    it("runs commands beside: output, exit code, user, the same confinement; none when it has ended", async () => {
      const id = await run("sleep 1000");
      assert.deepEqual(await exec(id, "sh", "-c", "echo out; exit 9"), { exitCode: 9, output: "out\n", isTimedOut: false });
      assert.match((await exec(id, "grep", "Seccomp:", "/proc/self/status")).output, /2/);
      assert.equal((await exec(id, "nope")).exitCode, 127);
      assert.equal((await rig.engine().exec(id, { command: ["id", "-u"], user: "www-data", timeoutMs: 20_000 })).output, "33\n");
      await rig.engine().stop(id, { graceMs: 0 });
      await assert.rejects(exec(id, "true"), /not running/);
      await rig.engine().remove(id);
    });
    it("filters system calls: the default refuses mounts and namespaces; a profile of one's own and none at all hold too", async () => {
      const probe = "grep -c 'Seccomp:.*2' /proc/self/status; mount -t tmpfs x /mnt 2>/dev/null; echo $?; unshare -U true 2>/dev/null; echo $?; mkdir /made 2>/dev/null; echo $?";
      const codes = async (more: Partial<ContainerConfig>) => (await said(probe, more)).map((line) => (line === "0" ? 0 : Number(line) > 0 ? 1 : line));
      assert.deepEqual(await codes({}), [1, 1, 1, 0]);
      const profile = JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 1 }] });
      assert.deepEqual((await codes({ securityOptions: [`seccomp=${profile}`] })).at(-1), 1);
      assert.equal((await codes({ securityOptions: [`seccomp=${profile}`] })).at(0), 1);
      assert.deepEqual((await codes({ securityOptions: ["seccomp=unconfined"] })).filter((_, i) => i === 0 || i === 3), [0, 0]);
      assert.deepEqual(await said("mount -t tmpfs x /tmp && echo mounted", { capAdd: ["SYS_ADMIN"] }), ["mounted"]);
    });
    it("gives a terminal", async () => {
      assert.deepEqual(await said("test -t 0 && test -t 1 && echo terminal", { tty: true }), ["terminal\r"]);
    });
    it("a daemon that is killed while it runs finds it, and its end", async () => {
      await rig.engine().close();
      const daemon = spawn(process.execPath, ["--import", "tsx", churn, JSON.stringify({ ...rig.config, log: undefined, clock: undefined }), "once"], { stdio: ["ignore", "pipe", "inherit"] });
      const exited = new Promise((resolve) => daemon.once("exit", resolve));
      const id = await new Promise<string>((resolve) => daemon.stdout.on("data", (text) => { const found = /started (\w+)/.exec(String(text)); if (found) resolve(found[1]!); }));
      daemon.kill("SIGKILL");
      await exited;
      const engine = await rig.reopen();
      assert.equal((await engine.inspect(id))!.phase, "running");
      assert.equal((await exec(id, "echo", "here")).output, "here\n");
      await engine.kill(id, "KILL");
      assert.equal((await engine.wait(id)).exitCode, 137);
      await engine.remove(id);
      leavesNothing(id);
    });
    it("one container may ask for it where another is preferred, and stays with it", async () => {
      const other = await openEngineRig({ runtime: name === "runc" ? "crun" : "runc" });
      try {
        await other.engine().images.load(dockerSave(await busyboxImage()));
        const id = await other.run("busybox", ["sleep", "1000"], { runtime: name });
        assert.equal((await other.engine().find(id)).ociRuntime, name);
        assert.ok(existsSync(join(other.config.runDir, name === "runc" ? "runtime" : `runtime-${name}`, id)));
        assert.equal((await other.engine().exec(id, { command: ["echo", "yes"], timeoutMs: 20_000 })).output, "yes\n");
        await other.engine().pause(id);
        await other.engine().unpause(id);
        await other.reopen();
        assert.equal((await other.engine().exec(id, { command: ["echo", "still"], timeoutMs: 20_000 })).output, "still\n");
        await assert.rejects(other.engine().create(containerConfig({ runtime: "youki" })), /unknown or invalid runtime name: youki; on this host there is crun, runc/);
      } finally { await other.close(); }
    });
  });
}
