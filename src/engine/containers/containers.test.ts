import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { busyboxImage, dockerSave } from "../../../scripts/base-images.js";
import { codeOf } from "../../lib/index.js";
import { waitFor } from "../../lib/testing.js";
import type { ContainerEvent } from "../api/index.js";
import { buildMonitor, containerConfig, linesOf, openEngineRig, type EngineRig } from "../testing.js";

const mebibyte = 1024 * 1024;
const forever = ["sleep", "1000"];
const none = { cpuMillis: 0, memoryBytes: 0, pids: 0 };

describe("engine: containers", function () {
  this.timeout(60_000);
  let rig: EngineRig;
  before(async () => {
    rig = await openEngineRig();
    await rig.engine().images.load(dockerSave(await busyboxImage()));
  });
  after(() => rig?.close());

  const shell = (script: string, more = {}) => rig.run("busybox", ["sh", "-c", script], more);
  const cgroupFile = (controller: string, id: string, file: string) => readFileSync(join("/sys/fs/cgroup", controller, rig.config.cgroupParent, id, file), "utf8").trim();

  it("report the exit code and both streams of output", async () => {
    const id = await shell("echo out; echo err >&2; exit 7");
    const exit = await rig.engine().wait(id);
    assert.deepEqual([exit.exitCode, exit.isOomKilled], [7, false]);
    const streams: string[] = [];
    for await (const line of rig.engine().logs(id, {})) streams.push(`${line.stream} ${line.line}`);
    assert.deepEqual(streams.sort(), ["stderr err", "stdout out"]);
  });

  it("have environment, hostname, working directory and user as asked", async () => {
    const id = await shell('echo "$A $PWD $(hostname) $(id -u):$(id -g) $HOSTNAME"; grep -c . /etc/hosts; cat /etc/resolv.conf', {
      env: ["A=b c"], workdir: "/made/here", user: "www-data", hostname: "web-1", resolvConf: "nameserver 127.0.0.11\n",
    });
    assert.deepEqual(await rig.output(id), ["b c /made/here web-1 33:33 web-1", "3", "nameserver 127.0.0.11"]);
  });

  it("are confined: default capabilities, a seccomp filter, no mount, no new namespaces, masked /proc", async () => {
    const id = await shell("grep -E '^(CapEff|Seccomp):' /proc/self/status; mount -t tmpfs x /mnt 2>/dev/null || echo no-mount; unshare -r true 2>/dev/null || echo no-unshare; wc -c < /proc/keys; echo 1 2>/dev/null > /proc/sys/kernel/hostname || echo read-only");
    assert.deepEqual((await rig.output(id)).map((l) => l.replace(/\s+/g, " ")), ["CapEff: 00000000a80425fb", "Seccomp: 2", "no-mount", "no-unshare", "0", "read-only"]);
    const bare = await shell("grep CapEff /proc/self/status", { capDrop: ["ALL"], capAdd: ["NET_ADMIN"] });
    assert.match((await rig.output(bare))[0]!, /0000000000001000$/);
  });

  it("show that they ran out of memory", async () => {
    const id = await shell("x=$(tail -c 200000000 /dev/zero | tr '\\0' a); echo survived", { limits: { ...none, memoryBytes: 16 * mebibyte } });
    const exit = await rig.engine().wait(id);
    assert.equal(exit.isOomKilled, true);
    assert.deepEqual(await rig.output(id).then((l) => l.includes("survived") && exit.exitCode === 137), false);
  });

  it("have their limits and reservations in the kernel", async () => {
    const id = await rig.run("busybox", forever, { limits: { cpuMillis: 250, memoryBytes: 32 * mebibyte, pids: 17 }, reservations: { cpuMillis: 500, memoryBytes: 16 * mebibyte, pids: 0 } });
    if ((await rig.engine().info()).cgroups === "v2") {
      assert.equal(cgroupFile("", id, "memory.max"), String(32 * mebibyte));
      assert.equal(cgroupFile("", id, "memory.low"), String(16 * mebibyte));
      assert.equal(cgroupFile("", id, "pids.max"), "17");
      assert.equal(cgroupFile("", id, "cpu.max"), "25000 100000");
      // 512 shares of v1's 2 … 262144 on v2's scale of 1 … 10000.
      assert.equal(cgroupFile("", id, "cpu.weight"), "20");
    } else {
      assert.equal(cgroupFile("memory", id, "memory.limit_in_bytes"), String(32 * mebibyte));
      assert.equal(cgroupFile("memory", id, "memory.soft_limit_in_bytes"), String(16 * mebibyte));
      assert.equal(cgroupFile("pids", id, "pids.max"), "17");
      assert.equal(cgroupFile("cpu", id, "cpu.cfs_quota_us"), "25000");
      assert.equal(cgroupFile("cpu", id, "cpu.shares"), "512");
    }
    await rig.engine().remove(id, { force: true });
  });

  it("stop gently, and by SIGKILL once the grace is over", async () => {
    const gentle = await shell("trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.05; done");
    await waitFor("the trap", async () => (await linesOf(rig.engine().logs(gentle, {}))).includes("ready"));
    await rig.engine().stop(gentle, { graceMs: 10_000 });
    assert.equal((await rig.engine().inspect(gentle))!.exit!.exitCode, 3);
    const stubborn = await rig.run("busybox", forever);
    const began = Date.now();
    await rig.engine().stop(stubborn, { graceMs: 300 });
    assert.ok(Date.now() - began >= 290);
    assert.equal((await rig.engine().wait(stubborn)).exitCode, 137);
    await rig.engine().stop(stubborn, { graceMs: 300 });
  });

  it("pass signals on and reap orphans under an init", async () => {
    const id = await shell("echo ready; exec sleep 1000", { init: true });
    // An init that has started its child hears signals; before that, the kernel drops what process 1 does not handle yet.
    await waitFor("the child", async () => (await linesOf(rig.engine().logs(id, {}))).includes("ready"));
    await rig.engine().stop(id, { graceMs: 5_000 });
    assert.equal((await rig.engine().wait(id)).exitCode, 143);
  });

  it("have a terminal when asked", async () => {
    const id = await shell("tty; echo $TERM", { tty: true });
    assert.deepEqual((await rig.output(id)).map((l) => l.trim()), ["/dev/pts/0", "xterm"]);
  });

  it("tell in one sentence why a command cannot be started, and count as exited", async () => {
    const spec = containerConfig({ name: "web.1", args: ["nope"] });
    await rig.engine().create(spec);
    await assert.rejects(rig.engine().start(spec.id), /^SwarmError: Cannot start container "web\.1": command "nope" is not in the image/);
    assert.equal((await rig.engine().wait(spec.id)).exitCode, 127);
    await rig.engine().remove(spec.id);
  });

  it("refuse a missing bind source, image or user, and leave nothing", async () => {
    const before = await rig.engine().list();
    const bind = containerConfig({ mounts: [{ type: "bind", source: "/does/not/exist", target: "/x", readOnly: false }] });
    await assert.rejects(rig.engine().create(bind), (e: Error) => codeOf(e) === "FAILED_PRECONDITION" && /bind source "\/does\/not\/exist" does not exist on this host/.test(e.message));
    await assert.rejects(rig.engine().create(containerConfig({ image: "absent:1" })), /image "absent:1" is not on this host; pull or load it first/);
    await assert.rejects(rig.engine().create(containerConfig({ user: "kermit" })), /user "kermit" is not in the image/);
    assert.deepEqual(await rig.engine().list(), before);
    assert.ok(!existsSync(join(rig.config.stateDir, "containers", bind.id)));
  });

  it("keep named volumes, filled from the image at first use; anonymous ones go with the container", async () => {
    const mounts = [{ type: "volume" as const, name: "data", target: "/etc", readOnly: false }];
    const first = await shell("ls /etc/passwd; echo kept > /etc/mine", { mounts });
    assert.deepEqual(await rig.output(first), ["/etc/passwd"]);
    await rig.engine().wait(first);
    await rig.engine().remove(first);
    const second = await shell("cat /etc/mine; echo x 2>/dev/null > /etc/mine || echo read-only", { mounts: [{ ...mounts[0]!, readOnly: true }] });
    assert.deepEqual(await rig.output(second), ["kept", "read-only"]);
    const volumes = () => readdirSync(join(rig.config.stateDir, "volumes"));
    const anonymous = await shell("echo hi > /scratch/file; cat /scratch/file", { mounts: [{ type: "volume", name: "", target: "/scratch", readOnly: false }] });
    assert.deepEqual(await rig.output(anonymous), ["hi"]);
    assert.equal(volumes().length, 2);
    await rig.engine().remove(anonymous, { force: true });
    assert.deepEqual(volumes(), ["data"]);
  });

  it("mount tmpfs with its size and bind mounts read-only", async () => {
    const source = join(rig.directory, "bound");
    mkdirSync(source);
    writeFileSync(join(source, "file"), "from the host\n");
    const id = await shell("df -k /scratch | tail -1 | awk '{print $2}'; cat /bound/file; touch /bound/x 2>/dev/null || echo read-only", {
      mounts: [{ type: "tmpfs", target: "/scratch", sizeBytes: 2 * mebibyte }, { type: "bind", source, target: "/bound", readOnly: true }],
    });
    assert.deepEqual(await rig.output(id), ["2048", "from the host", "read-only"]);
  });

  it("have their own names and name servers also where a volume or a tmpfs lies at /etc", async () => {
    for (const mount of [{ type: "tmpfs", target: "/etc" }, { type: "volume", name: "etc", target: "/etc", noCopy: true }] as const) {
      assert.deepEqual(await rig.output(await shell("cat /etc/hostname; ls /etc | xargs", { hostname: "named", mounts: [mount] })), ["named", "hostname hosts resolv.conf"]);
    }
    const given = join(rig.directory, "given");
    writeFileSync(given, "given\n");
    assert.deepEqual(await rig.output(await shell("cat /etc/hostname", { mounts: [{ type: "bind", source: given, target: "/etc/hostname" }] })), ["given"]);
  });

  it("run commands beside the main one: output, exit code, and an end when time is up", async () => {
    const id = await rig.run("busybox", forever, { env: ["A=1"] });
    const exec = (command: string[], timeoutMs = 10_000) => rig.engine().exec(id, { command, timeoutMs, env: ["B=2"] });
    assert.deepEqual(await exec(["sh", "-c", "echo $A $B; exit 5"]), { exitCode: 5, output: "1 2\n", isTimedOut: false });
    assert.equal((await exec(["nope"])).exitCode, 127);
    assert.equal((await exec(["sleep", "777"], 300)).isTimedOut, true);
    await waitFor("the command's end", async () => !(await exec(["ps"])).output.includes("sleep 777"));
    await rig.engine().remove(id, { force: true });
  });

  it("become healthy and unhealthy by their health command, with events", async () => {
    const events: ContainerEvent[] = [];
    const ending = new AbortController();
    rig.engine().watch((event) => events.push(event), ending.signal);
    const health = { test: ["CMD-SHELL", "cat /state && test -e /state"], intervalMs: 50, timeoutMs: 5_000, retries: 2, startPeriodMs: 0, startIntervalMs: 0 };
    const id = await shell("echo fine > /state; sleep 1000", { health });
    assert.equal((await rig.engine().inspect(id))!.health, "starting");
    await waitFor("healthy", async () => (await rig.engine().inspect(id))!.health === "healthy");
    assert.equal((await rig.engine().inspect(id))!.healthLog, "fine\n");
    await rig.engine().exec(id, { command: ["rm", "/state"], timeoutMs: 5_000 });
    await waitFor("unhealthy", async () => (await rig.engine().inspect(id))!.health === "unhealthy");
    await rig.engine().remove(id, { force: true });
    ending.abort();
    assert.deepEqual(events.filter((e) => e.id === id).map((e) => (e.kind === "health" ? e.health : e.kind)), ["started", "healthy", "unhealthy", "exited"]);
  });

  it("can be started again and keep what they wrote", async () => {
    const id = await shell("cat /mark 2>/dev/null; echo again > /mark");
    await rig.engine().wait(id);
    await rig.engine().start(id);
    await rig.engine().wait(id);
    assert.deepEqual(await rig.output(id), ["again"]);
  });

  it("rotate their logs, keep so many files, and lose no line to a follower", async () => {
    const count = 3000;
    const spec = containerConfig({ args: ["sh", "-c", `sleep 0.3; i=0; while [ $i -lt ${count} ]; do echo "line $i"; i=$((i+1)); done`], logDriver: { name: "json-file", options: { "max-size": "64k", "max-file": "4" } } });
    await rig.engine().create(spec);
    await rig.engine().start(spec.id);
    const followed = await rig.output(spec.id);
    assert.deepEqual(followed, Array.from({ length: count }, (_, i) => `line ${i}`));
    const logs = readdirSync(join(rig.config.stateDir, "containers", spec.id, "log")).sort();
    assert.deepEqual(logs, ["json.log", "json.log.1", "json.log.2", "json.log.3"]);
    for (const name of logs) assert.ok(statSync(join(rig.config.stateDir, "containers", spec.id, "log", name)).size <= 64 * 1024);
    assert.deepEqual(await linesOf(rig.engine().logs(spec.id, { tail: 2 })), [`line ${count - 2}`, `line ${count - 1}`]);
  });

  it("log long, binary and unfinished lines whole", async () => {
    const id = await shell("head -c 40000 /dev/zero | tr '\\0' x; echo; printf 'a\\377b\\t\"\\\\\\n'; printf 'äöü ☃ no newline'");
    const [long, odd, last] = await rig.output(id);
    assert.equal(long, "x".repeat(40_000));
    assert.equal(odd, "a\ufffdb\t\"\\");
    assert.equal(last, "äöü ☃ no newline");
  });

  it("write nothing when the log driver is none", async () => {
    const id = await shell("echo secret", { logDriver: { name: "none", options: {} } });
    await rig.engine().wait(id);
    await assert.rejects(linesOf(rig.engine().logs(id, {})), /keeps no logs/);
    assert.deepEqual(readdirSync(join(rig.config.stateDir, "containers", id, "log")), []);
  });

  it("leave no mount, cgroup, process or file once removed", async () => {
    const id = await rig.run("busybox", forever);
    const { pid } = (await rig.engine().inspect(id))!;
    await rig.engine().remove(id, { force: true });
    assert.ok(!existsSync(`/proc/${pid}`));
    assert.ok(!readFileSync("/proc/self/mountinfo", "utf8").includes(id));
    assert.ok(!existsSync(join("/sys/fs/cgroup/memory", rig.config.cgroupParent, id)));
    for (const path of [join(rig.config.stateDir, "containers", id), join(rig.config.runDir, "containers", id), join(rig.config.stateDir, "exits", `${id}.json`), join(rig.config.runDir, "runtime", id)]) assert.ok(!existsSync(path), path);
    await rig.engine().remove(id);
  });
});

describe("engine: a daemon that goes away", function () {
  this.timeout(60_000);
  let rig: EngineRig;
  beforeEach(async () => {
    rig = await openEngineRig();
    await rig.engine().images.load(dockerSave(await busyboxImage()));
  });
  afterEach(() => rig?.close());

  it("stops no container, and loses no log line and no exit code", async () => {
    const id = await rig.run("busybox", ["sh", "-c", "i=0; while [ $i -lt 200 ]; do echo $i; i=$((i+1)); usleep 10000; done; exit 9"]);
    const { pid } = (await rig.engine().inspect(id))!;
    await waitFor("the first lines", async () => (await linesOf(rig.engine().logs(id, {}))).length > 5);
    await rig.reopen();
    const adopted = (await rig.engine().inspect(id))!;
    assert.deepEqual([adopted.phase, adopted.pid], ["running", pid]);
    assert.equal((await rig.engine().wait(id)).exitCode, 9);
    assert.deepEqual(await rig.output(id), Array.from({ length: 200 }, (_, i) => String(i)));
  });

  it("learns of exits that it missed", async () => {
    const id = await rig.run("busybox", ["sh", "-c", "sleep 0.3; exit 42"]);
    await rig.engine().close();
    await waitFor("the exit file", () => existsSync(join(rig.config.stateDir, "exits", `${id}.json`)));
    await rig.reopen();
    assert.equal((await rig.engine().wait(id)).exitCode, 42);
  });

  it("clears what it left half made", async () => {
    await rig.engine().close();
    const id = "a".repeat(20);
    for (const directory of [join(rig.config.stateDir, "containers", id, "upper"), join(rig.config.runDir, "containers", id, "rootfs")]) mkdirSync(directory, { recursive: true });
    writeFileSync(join(rig.config.stateDir, "exits", `${id}.json`), "{}");
    await rig.reopen();
    assert.deepEqual([readdirSync(join(rig.config.stateDir, "containers")), readdirSync(join(rig.config.runDir, "containers")), readdirSync(join(rig.config.stateDir, "exits"))], [[], [], []]);
  });

  it("says so when a monitor was killed, and ends the container", async () => {
    const id = await rig.run("busybox", ["sleep", "1000"]);
    const state = JSON.parse(readFileSync(join(rig.config.runDir, "containers", id, "state.json"), "utf8")) as { pid: number; monitorPid: number };
    process.kill(state.monitorPid, "SIGKILL");
    const exit = await rig.engine().wait(id);
    assert.match(exit.error!, /its monitor process was killed/);
    await waitFor("the process to end", () => !existsSync(`/proc/${state.pid}`) || readFileSync(`/proc/${state.pid}/stat`, "utf8").includes(") Z "));
  });

  it("refuses a second engine on the same directories", async () => {
    const { openEngine } = await import("../engine.js");
    await assert.rejects(openEngine({ ...rig.config, monitorPath: buildMonitor() }), /is another swarmd using this state directory/);
  });
});

describe("engine: a full disk, a foreign namespace, a killed daemon", function () {
  this.timeout(90_000);
  let rig: EngineRig;
  beforeEach(async () => {
    rig = await openEngineRig();
    await rig.engine().images.load(dockerSave(await busyboxImage()));
  });
  afterEach(() => rig?.close());

  it("a full disk costs log lines, never the container, and what is kept stays readable", async () => {
    const spec = containerConfig({ args: ["sh", "-c", "i=0; while [ $i -lt 20000 ]; do echo \"line $i with some more text to fill the disk\"; i=$((i+1)); done"] });
    await rig.engine().create(spec);
    const logs = join(rig.config.stateDir, "containers", spec.id, "log");
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", logs]);
    try {
      await rig.engine().start(spec.id);
      assert.equal((await rig.engine().wait(spec.id)).exitCode, 0);
      const lines = await rig.output(spec.id);
      assert.ok(lines.length > 1000 && lines.length < 20_000, String(lines.length));
      assert.deepEqual(lines.slice(0, 1000), Array.from({ length: 1000 }, (_, i) => `line ${i} with some more text to fill the disk`));
      for (const line of readFileSync(join(logs, "json.log"), "utf8").trimEnd().split("\n")) JSON.parse(line);
      assert.ok((JSON.parse(readFileSync(join(rig.config.stateDir, "exits", `${spec.id}.json`), "utf8")) as { droppedLogLines: number }).droppedLogLines > 0);
    } finally { execFileSync("umount", [logs]); }
  });

  it("joins a network namespace that it is given", async () => {
    const name = `skt-${spec12()}`;
    execFileSync("ip", ["netns", "add", name]);
    try {
      execFileSync("ip", ["-n", name, "link", "add", "probe0", "type", "bridge"]);
      const id = await rig.run("busybox", ["sh", "-c", "ls /sys/class/net; cat /proc/sys/net/ipv4/ip_unprivileged_port_start"], { netnsPath: `/run/netns/${name}` });
      assert.deepEqual(await rig.output(id), ["lo", "probe0", "0"]);
    } finally { execFileSync("ip", ["netns", "del", name]); }
  });

  it("a daemon killed at any moment leaves every container either running as known or gone", async () => {
    await rig.engine().close();
    const here = dirname(fileURLToPath(import.meta.url));
    for (const delayMs of [5, 25, 45, 70, 120, 180, 250, 400]) {
      const child = spawn(process.execPath, ["--import", "tsx", join(here, "testdata/churn.ts"), JSON.stringify({ ...rig.config, log: undefined, clock: undefined })], { stdio: ["ignore", "pipe", "inherit"] });
      const exited = new Promise((resolve) => child.once("exit", resolve));
      await new Promise<void>((resolve) => child.stdout.once("data", () => resolve()));
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      child.kill("SIGKILL");
      await exited;
      const engine = await rig.reopen();
      const state = async (id: string) => (await engine.details()).find((c) => c.id === id);
      for (const { id } of await engine.details()) {
        await waitFor(`container ${id} to be as its settings say`, async () => {
          const now = await state(id);
          if (!now) return true;
          if (now.phase === "exited") return !now.isRestarting && !now.config.autoRemove && now.config.restart?.name !== "always";
          return now.phase === "created" || now.isPaused || (await engine.exec(id, { command: ["true"], timeoutMs: 10_000 }).then(({ exitCode }) => exitCode === 0, () => false));
        });
        if (!(await state(id))?.isPaused) continue;
        await engine.unpause(id);
        assert.equal((await engine.exec(id, { command: ["true"], timeoutMs: 10_000 })).exitCode, 0);
      }
      const containers = await engine.details();
      assert.equal(new Set(containers.map((c) => c.name)).size, containers.length);
      const known = containers.map((c) => c.id);
      for (const directory of [join(rig.config.stateDir, "containers"), join(rig.config.runDir, "containers"), join(rig.config.runDir, "runtime")]) assert.deepEqual(readdirSync(directory).filter((n) => !known.includes(n)), [], directory);
      await Promise.all(containers.map((c) => engine.remove(c.id, { force: true })));
      assert.ok(!readFileSync("/proc/self/mountinfo", "utf8").includes(rig.directory));
      assert.deepEqual(readdirSync(join(rig.config.runDir, "runtime")), []);
      assert.deepEqual(readdirSync(join(rig.config.stateDir, "volumes")).filter((name) => /^[0-9a-f]{64}$/.test(name)), []);
      await engine.close();
    }
  });
});

const spec12 = () => containerConfig().id.slice(0, 8);

describe("engine: a host that is switched off", function () {
  this.timeout(60_000);
  it("tells that its containers ended, starts them again, and leaves no cgroup", async () => {
    const rig = await openEngineRig();
    try {
      await rig.engine().images.load(dockerSave(await busyboxImage()));
      await rig.engine().close();
      // A PID and mount namespace of its own is the host; killing its first process switches it off.
      const script = `mount -t tmpfs tmpfs ${rig.config.runDir} && exec ${process.execPath} --import tsx ${join(dirname(fileURLToPath(import.meta.url)), "testdata/churn.ts")} "$0" once`;
      mkdirSync(rig.config.runDir, { recursive: true });
      const host = spawn("unshare", ["--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", script, JSON.stringify({ ...rig.config, log: undefined, clock: undefined })], { stdio: ["ignore", "pipe", "inherit"] });
      const exited = new Promise((resolve) => host.once("exit", resolve));
      const id = await new Promise<string>((resolve) => host.stdout.on("data", (text) => { const found = /started (\w+)/.exec(String(text)); if (found) resolve(found[1]!); }));
      // Its first process itself: unshare then ends after it, when its files are closed.
      process.kill(Number(readFileSync(`/proc/${host.pid}/task/${host.pid}/children`, "utf8")), "SIGKILL");
      await exited;
      const engine = await rig.reopen();
      const exit = await engine.wait(id);
      assert.match(exit.error!, /the host was stopped or restarted/);
      await engine.start(id);
      assert.equal((await engine.inspect(id))!.phase, "running");
      await engine.remove(id, { force: true });
      assert.ok(!existsSync(join("/sys/fs/cgroup/memory", rig.config.cgroupParent, id)));
    } finally { await rig.close(); }
  });
});
