import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { busyboxImage, dockerSave } from "../../../scripts/base-images.js";
import { waitFor } from "../../lib/testing.js";
import type { ContainerConfig } from "../api/index.js";
import { containerConfig, openEngineRig, type EngineRig } from "../testing.js";

const mebibyte = 1024 * 1024;
const none = { cpuMillis: 0, memoryBytes: 0, pids: 0 };
const forever = ["sleep", "1000"];

for (const runtime of ["runc", "crun"]) describe(`engine: containers' settings in the kernel, by ${runtime}`, function () {
  this.timeout(60_000);
  let rig: EngineRig;
  let isV2 = false;
  before(async () => {
    rig = await openEngineRig({ runtime });
    await rig.engine().images.load(dockerSave(await busyboxImage()));
    isV2 = (await rig.engine().info()).cgroups === "v2";
  });
  after(() => rig?.close());

  const shell = (script: string, more: Partial<ContainerConfig> = {}) => rig.run("busybox", ["sh", "-c", script], more);
  const said = async (script: string, more: Partial<ContainerConfig> = {}): Promise<string[]> => {
    const id = await shell(script, more);
    const lines = await rig.output(id);
    await rig.engine().remove(id, { force: true });
    return lines.map((line) => line.replace(/\s+/g, " ").trim());
  };
  const refusal = async (more: Partial<ContainerConfig>): Promise<string> => {
    const spec = containerConfig({ args: ["true"], ...more });
    try {
      await rig.engine().create(spec);
      await rig.engine().start(spec.id);
      return "";
    } catch (error) { return (error as Error).message; } finally { await rig.engine().remove(spec.id, { force: true }); }
  };
  const namespaceOf = async (id: string, type: string) => readlinkSync(`/proc/${(await rig.engine().inspect(id))!.pid}/ns/${type}`);

  it("privileged: every capability that the daemon has, the host's devices, no filter, a writable /sys and nothing masked", async () => {
    const held = /CapBnd:\s*(\w+)/.exec(readFileSync("/proc/self/status", "utf8"))![1]!;
    const lines = await said("grep -E '^(CapEff|Seccomp):' /proc/self/status; mount -t tmpfs x /tmp && echo mounted; ls -l /dev/kmsg | cut -c1; wc -c < /proc/keys | grep -qv '^0$' && echo seen; grep -E ' /sys sysfs' /proc/mounts | grep -q 'rw,' && echo rw; unshare -m true && echo unshared", { privileged: true });
    assert.deepEqual(lines, [`CapEff: ${held}`, "Seccomp: 0", "mounted", ...(existsSync("/dev/kmsg") ? ["c"] : []), ...(readFileSync("/proc/keys", "utf8") === "" ? [] : ["seen"]), "rw", "unshared"]);
  });

  it("security options: no new privileges, no filter, a filter of one's own", async () => {
    const status = "grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status";
    assert.deepEqual(await said(status, { securityOptions: ["no-new-privileges", "seccomp=unconfined"] }), ["NoNewPrivs: 1", "Seccomp: 0"]);
    const profile = JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", archMap: [{ architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86"] }, { architecture: "SCMP_ARCH_AARCH64" }], syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 12 }, { names: ["chmod", "fchmodat"], action: "SCMP_ACT_ERRNO", excludes: { caps: ["CAP_CHOWN"] } }] });
    assert.deepEqual(await said("mkdir /x 2>&1 | grep -c 'Cannot allocate memory\\|Out of memory'; touch /y; chmod 700 /y && echo fine", { securityOptions: [`seccomp=${profile}`] }), ["1", "fine"]);
    assert.match(await refusal({ securityOptions: ["seccomp={\"defaultAction\":\"SCMP_ACT_NOPE\"}"] }), /Cannot create container ".*": the seccomp profile is not valid: its defaultAction is "SCMP_ACT_NOPE"/);
  });

  it("ulimits, the OOM score and what the kernel refuses of them, in words", async () => {
    assert.deepEqual(await said("ulimit -Hn; ulimit -n; cat /proc/self/oom_score_adj", { ulimits: [{ name: "nofile", soft: 100, hard: 200 }], oomScoreAdj: 300 }), ["200", "100", "300"]);
    const isAllowed = (BigInt(`0x${/CapEff:\s*(\w+)/.exec(readFileSync("/proc/self/status", "utf8"))![1]!}`) >> 24n) & 1n;
    if (isAllowed) return;
    assert.match(await refusal({ ulimits: [{ name: "nofile", soft: 10, hard: 1_000_000_000 }] }), /^Cannot start container ".*": the kernel refuses to raise a ulimit above this host's own hard limit/);
    assert.match(await refusal({ oomScoreAdj: -500 }), /^Cannot start container ".*": the kernel refuses to lower the OOM score adjustment/);
  });

  it("devices and rules for devices", async () => {
    const lines = await said("ls -l /dev/mine | awk '{print $5 $6}'; head -c 1 /dev/mine | wc -c; mknod /tmp-zero c 1 5 && head -c 1 /tmp-zero | wc -c; mknod /loop b 7 0 && head -c 1 /loop 2>&1 | grep -o 'not permitted'", { devices: [{ source: "/dev/zero", target: "/dev/mine", permissions: "r" }] });
    assert.deepEqual(lines, ["1,5", "1", "1", "not permitted"]);
    assert.deepEqual(await said("mknod /loop b 7 0; head -c 1 /loop 2>&1 | grep -c 'not permitted'", { deviceCgroupRules: ["b 7:* rmw"] }), ["0"]);
    assert.match(await refusal({ devices: [{ source: "/dev/nope", target: "/dev/x", permissions: "rwm" }] }), /device "\/dev\/nope" is not on this host/);
    assert.match(await refusal({ devices: [{ source: "/etc/passwd", target: "/dev/x", permissions: "rwm" }] }), /"\/etc\/passwd" is no device/);
    const many = await said("ls /dev/all | wc -l", { devices: [{ source: "/dev/pts", target: "/dev/all", permissions: "rwm" }] }).catch((error: Error) => [error.message]);
    assert.match(many[0]!, /^\d+$|holds no device/);
  });

  it("sysctls, names, the size of /dev/shm, an init, a read-only root", async () => {
    assert.deepEqual(await said("cat /proc/sys/net/core/somaxconn /proc/sys/kernel/msgmax", { sysctls: { "net.core.somaxconn": "77", "kernel.msgmax": "4096" } }), ["77", "4096"]);
    assert.deepEqual(await said("hostname; cat /proc/sys/kernel/domainname /etc/hostname; df -k /dev/shm | tail -1 | awk '{print $2}'", { hostname: "web", domainname: "example.org", shmSizeBytes: 8 * mebibyte }), ["web", "example.org", "web.example.org", "8192"]);
    assert.deepEqual(await said("touch /x 2>/dev/null || echo read-only; touch /dev/shm/x && echo shm; touch /t/x && echo tmpfs", { readOnly: true, mounts: [{ type: "tmpfs", target: "/t" }] }), ["read-only", "shm", "tmpfs"]);
    assert.deepEqual(await said("grep -c skein /proc/1/cmdline", { init: true }), ["1"]);
  });

  it("groups beside the user's own, by name and by number", async () => {
    assert.deepEqual(await said("id -G", { user: "33", groups: ["7", "www-data", "root"] }).then((l) => l[0]!.split(" ").sort()), ["0", "33", "7"]);
    assert.match(await refusal({ groups: ["nobody-here"] }), /group "nobody-here" is not in the image/);
  });

  it("namespaces of the host", async () => {
    const id = await rig.run("busybox", forever, { ipcMode: "host", pidMode: "host", utsMode: "host", hostname: "", cgroupnsMode: "host" });
    for (const type of ["ipc", "pid", "uts", "cgroup"]) assert.equal(await namespaceOf(id, type), readlinkSync(`/proc/self/ns/${type}`), type);
    assert.equal((await rig.engine().find(id)).config.hostname, readFileSync("/proc/sys/kernel/hostname", "utf8").trim());
    await rig.engine().stop(id, { graceMs: 0 });
    await rig.engine().remove(id);
  });

  it("namespaces of another container, which must run; shared memory only of one that shares it", async () => {
    const donor = await rig.run("busybox", ["sh", "-c", "echo shared > /dev/shm/x; sleep 1000"], { ipcMode: "shareable", shmSizeBytes: 4 * mebibyte });
    await waitFor("the file", async () => (await rig.engine().exec(donor, { command: ["cat", "/dev/shm/x"], timeoutMs: 5_000 })).exitCode === 0);
    const { name } = (await rig.engine().inspect(donor))!;
    const joined = await rig.run("busybox", forever, { ipcMode: `container:${name}`, pidMode: `container:${donor.slice(0, 14)}` });
    for (const type of ["ipc", "pid"]) assert.equal(await namespaceOf(joined, type), await namespaceOf(donor, type));
    assert.equal((await rig.engine().exec(joined, { command: ["cat", "/dev/shm/x"], timeoutMs: 5_000 })).output, "shared\n");
    const secret = await rig.run("busybox", forever);
    assert.match(await refusal({ ipcMode: `container:${secret}` }), /which is private; create that one with IPC mode shareable/);
    await rig.engine().stop(donor, { graceMs: 0 });
    assert.match(await refusal({ pidMode: `container:${donor}` }), /is to share the PID namespace of container ".*", which is not running; start that one first/);
    assert.match(await refusal({ pidMode: "container:nobody" }), /which is not on this host/);
    for (const id of [joined, secret, donor]) await rig.engine().remove(id, { force: true });
    assert.ok(!readFileSync("/proc/self/mountinfo", "utf8").includes(donor));
    assert.deepEqual(await said("ls -d /dev/shm 2>&1 | grep -c 'No such'", { ipcMode: "none" }), ["1"]);
  });

  it("mounts: sources that are made, recursion, propagation, options of a tmpfs, a part of a volume", async () => {
    const source = join(rig.directory, "outer");
    mkdirSync(join(source, "inner"), { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "inner", join(source, "inner")]);
    try {
      writeFileSync(join(source, "inner", "file"), "");
      writeFileSync(join(source, "of-its-own"), "a file");
      const bind = (more: object) => ({ mounts: [{ type: "bind" as const, source, target: "/b", readOnly: false, ...more }] });
      assert.deepEqual(await said("ls /b/inner", bind({})), ["file"]);
      assert.deepEqual(await said("ls /b/inner | wc -l", bind({ isNonRecursive: true })), ["0"]);
      const touched = "touch /b/inner/x 2>/dev/null && echo written || echo refused";
      assert.deepEqual(await said(touched, bind({ readOnly: true })), ["refused"]);
      assert.deepEqual(await said(touched, bind({ readOnly: true, readOnlyDepth: "top" })), ["written"]);
      assert.deepEqual(await said("echo x 2>/dev/null > /b || cat /b", bind({ source: join(source, "of-its-own"), readOnly: true })), ["a file"]);
      assert.deepEqual(await said("cat /proc/self/mountinfo | grep -c ' /b .*master:'", bind({ propagation: "rslave" })).then((l) => Number(l[0]) <= 1), true);
      assert.match(await refusal(bind({ propagation: "loud" })), /bind propagation "loud" is not known/);
      const made = join(rig.directory, "made", "here");
      assert.deepEqual(await said("touch /m/x && echo ok", { mounts: [{ type: "bind", source: made, target: "/m", readOnly: false, createSource: true }] }), ["ok"]);
      assert.ok(existsSync(join(made, "x")));
    } finally { execFileSync("umount", [join(source, "inner")]); }
    assert.deepEqual(await said("grep ' /t ' /proc/mounts | grep -o 'noexec' ; df -k /t | tail -1 | awk '{print $2}'; stat -c %a /t", { mounts: [{ type: "tmpfs", target: "/t", options: "rw,exec,size=1m,mode=700" }] }), ["1024", "700"]);
    await said("mkdir -p /v/a/b; echo deep > /v/a/b/file; ln -s / /v/out", { mounts: [{ type: "volume", name: "parts", target: "/v", readOnly: false }] });
    const part = (subpath: string) => ({ mounts: [{ type: "volume" as const, name: "parts", target: "/p", readOnly: true, subpath }] });
    assert.deepEqual(await said("cat /p/file", part("a/b")), ["deep"]);
    assert.deepEqual(await said("ls /p | head -1", part("out")), ["a"]);
    assert.match(await refusal(part("../x")), /must be relative and below it/);
    assert.match(await refusal(part("nope")), /the path "nope" is not in volume "parts"/);
  });

  it("more limits: swap, swappiness, shares, sets, I/O, a parent of one's own", async () => {
    const parent = `${rig.config.cgroupParent}/team`;
    const disk = ["/dev/vda", "/dev/sda", "/dev/nvme0n1"].find((path) => existsSync(path));
    const id = await rig.run("busybox", forever, {
      limits: { ...none, memoryBytes: 32 * mebibyte }, cgroupParent: parent,
      resources: { memorySwapBytes: 48 * mebibyte, memorySwappiness: 7, cpuShares: 300, cpusetCpus: "0", cpuPeriodUs: 20_000, cpuQuotaUs: 10_000, ...(disk ? { blkioThrottle: [{ kind: "writeBps", path: disk, rate: 1_000_000 }] } : {}) },
    });
    const file = (controller: string, name: string) => readFileSync(join("/sys/fs/cgroup", isV2 ? "" : controller, parent, id, name), "utf8").trim();
    if (isV2) assert.deepEqual([file("", "memory.max"), file("", "cpu.max"), file("", "cpuset.cpus")], [String(32 * mebibyte), "10000 20000", "0"]);
    else {
      assert.deepEqual([file("memory", "memory.memsw.limit_in_bytes"), file("memory", "memory.swappiness"), file("cpu", "cpu.shares"), file("cpuset", "cpuset.cpus"), file("cpu", "cpu.cfs_quota_us"), file("cpu", "cpu.cfs_period_us")],
        [String(48 * mebibyte), "7", "300", "0", "10000", "20000"]);
    }
    if (disk) assert.match(isV2 ? file("", "io.max") : file("blkio", "blkio.throttle.write_bps_device"), /1000000/);
    await rig.engine().remove(id, { force: true });
    assert.ok(!existsSync(join("/sys/fs/cgroup", isV2 ? "" : "memory", parent, id)));
  });

  it("exit codes of starts that fail are Docker's, and so are the words that its client looks for", async () => {
    const cases: [string[], number, RegExp][] = [[["nope"], 127, /executable file not found/], [["/nope"], 127, /executable file not found|no such file/], [["/etc/passwd"], 126, /permission denied/], [["/etc"], 126, /permission denied|is a directory/i]];
    for (const [args, exitCode, words] of cases) {
      const spec = containerConfig({ args });
      await rig.engine().create(spec);
      await assert.rejects(rig.engine().start(spec.id), words, args[0]);
      const after = await rig.engine().find(spec.id);
      assert.deepEqual([after.exit!.exitCode, after.phase, after.startedAtMs, after.exit!.error!.startsWith(`Cannot start container "${spec.name}"`)], [exitCode, "exited", 0, true], args[0]);
      await rig.engine().remove(spec.id);
    }
  });

  it("words and paths that the kernel does not take are refused before anything starts", async () => {
    assert.match(await refusal({ args: ["x".repeat(200_000)] }), /its command's name has 200000 bytes/);
    assert.match(await refusal({ args: ["echo", "x".repeat(200_000)] }), /one argument, "x+…", has 200000 bytes/);
    assert.match(await refusal({ env: [`A=${"y".repeat(200_000)}`] }), /one variable, "A=y+…", has 200002 bytes/);
    assert.match(await refusal({ mounts: [{ type: "tmpfs", target: `/${"z".repeat(200_000)}` }] }), /the path of a mount/);
    assert.match(await refusal({ workdir: `/${"w".repeat(5_000)}` }), /the working directory's path has 5001 bytes/);
  });

  it("warns of what it leaves out", async () => {
    const spec = containerConfig({ args: ["true"], securityOptions: ["apparmor=docker-default"], resources: { kernelMemoryBytes: 10 * mebibyte } });
    const { warnings } = await rig.engine().create(spec);
    assert.ok(warnings.some((w) => /Kernel memory limits/.test(w)), warnings.join());
    if (readFileSync("/proc/filesystems", "utf8") && !existsSync("/sys/module/apparmor")) assert.ok(warnings.some((w) => /AppArmor is not enabled/.test(w)));
    await rig.engine().start(spec.id);
    await rig.engine().remove(spec.id, { force: true });
  });
});
