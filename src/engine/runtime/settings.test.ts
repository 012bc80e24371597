import assert from "node:assert/strict";
import type { ContainerConfig, EngineMount } from "../api/index.js";
import { checkConfig } from "../containers/check-config.js";
import { changed, liveResources } from "../containers/update.js";
import { containerConfig } from "../testing.js";
import { aloneNamespaces } from "../containers/join-namespaces.js";
import { ociConfig, ociJson, type BundleInputs } from "./bundle.js";
import { capabilitiesOf, heldCapabilities } from "./capabilities.js";
import { deviceNumbers } from "./devices.js";
import type { HostAbilities } from "./host-abilities.js";
import { checkLimits, parseSet } from "./limits.js";
import { namespacesOf } from "./namespaces.js";
import { ociResources } from "./resources.js";
import { translateSeccompProfile } from "./seccomp-profile.js";
import { parseSecurityOptions } from "./security-options.js";
import { tmpfsOptions } from "./tmpfs-options.js";
import { ociRlimits } from "./ulimits.js";

const mebibyte = 1024 * 1024;
const none = { cpuMillis: 0, memoryBytes: 0, pids: 0 };
const able: HostAbilities = {
  hostname: "kermit", kernel: "6.1.0-13-amd64", cpus: 2, cpuList: "0-1", memoryNodes: "0", memoryBytes: 8192 * mebibyte, hasMemoryLimit: true, hasSwapLimit: true, hasSwappiness: true, hasOomKillDisable: true,
  hasPidsLimit: true, hasCpuQuota: true, hasCpuShares: true, hasCpuRealtime: true, hasCpuset: true, hasBlkioWeight: true, hasBlkioThrottle: true, hasAppArmor: true, hasSelinux: false,
  boundingCapabilities: (1n << 41n) - 1n,
};
const unable: HostAbilities = { ...able, hasMemoryLimit: false, hasSwapLimit: false, hasSwappiness: false, hasOomKillDisable: false, hasPidsLimit: false, hasCpuQuota: false, hasCpuShares: false, hasCpuRealtime: false, hasCpuset: false, hasBlkioWeight: false, hasBlkioThrottle: false, hasAppArmor: false };
const config = (more: Partial<ContainerConfig>) => containerConfig({ id: "0123456789abcdef", resources: {}, ...more });
const check = (more: Partial<ContainerConfig>, host = able, isV2 = false) => checkConfig(config(more), host, isV2);

describe("engine: limits before they reach the kernel", () => {
  const refused: [string, Partial<ContainerConfig>, RegExp][] = [
    ["memory below 6 MiB", { limits: { ...none, memoryBytes: 4 * mebibyte } }, /the memory limit is 4194304 bytes; the least is 6291456 bytes/],
    ["negative memory", { limits: { ...none, memoryBytes: -1 } }, /the memory limit is -1/],
    ["swap below memory", { limits: { ...none, memoryBytes: 64 * mebibyte }, resources: { memorySwapBytes: 32 * mebibyte } }, /33554432 bytes, is below the memory limit, 67108864 bytes/],
    ["swap without memory", { resources: { memorySwapBytes: 32 * mebibyte } }, /give a memory limit as well/],
    ["a reservation above the limit", { limits: { ...none, memoryBytes: 64 * mebibyte }, reservations: { ...none, memoryBytes: 65 * mebibyte } }, /is above the memory limit/],
    ["a small reservation", { reservations: { ...none, memoryBytes: 1 } }, /the memory reservation is 1 bytes/],
    ["swappiness 101", { resources: { memorySwappiness: 101 } }, /from 0 to 100/],
    ["more CPUs than there are", { limits: { ...none, cpuMillis: 2500 } }, /2.5 CPUs are asked for; give from 0.01 to 2.00, as this host has 2/],
    ["CPUs and a quota", { limits: { ...none, cpuMillis: 500 }, resources: { cpuQuotaUs: 10_000 } }, /give one of the two/],
    ["a period of 2 s", { resources: { cpuPeriodUs: 2_000_000 } }, /the CPU period is 2000000/],
    ["a quota of 10 µs", { resources: { cpuQuotaUs: 10 } }, /the least is 1000/],
    ["a real-time runtime above its period", { resources: { cpuRtPeriodUs: 1000, cpuRtRuntimeUs: 2000 } }, /is above its period/],
    ["a CPU that is not there", { resources: { cpusetCpus: "0-3" } }, /CPUs 0-3 are asked for, and 2, 3 are not there; this host has 0-1/],
    ["a cpuset that is no set", { resources: { cpusetCpus: "1-0" } }, /"1-0" names no CPUs/],
    ["a memory node that is not there", { resources: { cpusetMems: "1" } }, /memory nodes 1 are asked for, and 1 is not there/],
    ["a weight of 5", { resources: { blkioWeight: 5 } }, /from 10 to 1000/],
    ["a device's weight of 2000", { resources: { blkioWeightDevices: [{ path: "/dev/sda", weight: 2000 }] } }, /for "\/dev\/sda" is 2000/],
    ["a relative working directory", { workdir: "a/b" }, /is not absolute/],
    ["a name server that is no address", { network: { mode: "bridge", endpoints: {}, ports: [], dns: ["1.1.1.1\nnameserver 6.6.6.6"] } }, /is no IP address/],
    ["a search domain of two lines", { network: { mode: "bridge", endpoints: {}, ports: [], dnsSearch: ["a\nnameserver 6.6.6.6"] } }, /more than one word/],
    ["a domain name of two lines", { domainname: "a\n6.6.6.6 registry" }, /is no domain name/],
    ["a NUL in the command", { args: ["a\0b"] }, /NUL/],
    ["an empty variable", { env: ["=x"] }, /is no environment variable/],
    ["an unknown policy", { restart: { name: "sometimes" as "no", maximumRetries: 0 } }, /restart policy "sometimes" is not known/],
    ["retries of always", { restart: { name: "always", maximumRetries: 3 } }, /goes with the restart policy on-failure only/],
    ["a policy and automatic removal", { restart: { name: "always", maximumRetries: 0 }, autoRemove: true }, /leave one of the two out/],
    ["an unknown capability", { capAdd: ["NET_ADMN"] }, /did you mean NET_ADMIN\?/],
    ["an unknown ulimit", { ulimits: [{ name: "files", soft: 1, hard: 1 }] }, /ulimit "files" is not valid/],
    ["a soft ulimit above the hard", { ulimits: [{ name: "nofile", soft: 2, hard: 1 }] }, /soft limit 2 is above the hard one, 1/],
    ["a host's sysctl", { sysctls: { "vm.swappiness": "1" } }, /it belongs to the whole host/],
    ["a network sysctl with the host's network", { sysctls: { "net.ipv4.ip_forward": "1" }, network: { mode: "host", endpoints: {}, ports: [] } }, /it shares the host's network/],
    ["an IPC sysctl with the host's IPC", { sysctls: { "kernel.shmmax": "1" }, ipcMode: "host" }, /another IPC namespace/],
    ["an unknown IPC mode", { ipcMode: "global" }, /IPC mode "global" is not known/],
    ["an unknown security option", { securityOptions: ["nonsense"] }, /security option "nonsense" is not valid/],
    ["a seccomp profile by file name", { securityOptions: ["seccomp=/etc/profile.json"] }, /is not JSON/],
    ["an OOM score of 2000", { oomScoreAdj: 2000 }, /from -1000 to 1000/],
    ["a device rule that is none", { deviceCgroupRules: ["c 1:3"] }, /write it like c 1:3 rwm/],
    ["a cgroup parent that leads out", { cgroupParent: "/a/../../b" }, /is not valid/],
    ["a host name of 64", { hostname: "a".repeat(64) }, /is no host name/],
    ["a health check without a kind", { health: { test: ["curl"], intervalMs: 0, timeoutMs: 0, retries: 0, startPeriodMs: 0, startIntervalMs: 0 } }, /begin it with NONE, CMD or CMD-SHELL/],
  ];
  for (const [what, more, expected] of refused) it(`${what} is refused`, () => { assert.throws(() => check(more), expected); });

  it("what the kernel cannot do is left out, with Docker's warnings", () => {
    const { config: kept, warnings } = check({
      limits: { cpuMillis: 500, memoryBytes: 64 * mebibyte, pids: 10 }, reservations: { ...none, cpuMillis: 100 }, oomKillDisable: true,
      resources: { memorySwapBytes: 128 * mebibyte, memorySwappiness: 10, kernelMemoryBytes: 1, cpusetCpus: "0", blkioWeight: 300, blkioThrottle: [{ kind: "readBps", path: "/dev/sda", rate: 1 }] },
    }, unable);
    assert.deepEqual([kept.limits, kept.reservations, kept.resources, kept.oomKillDisable], [none, none, {}, undefined]);
    const words = ["support memory limit", "swappiness", "Kernel memory", "OomKillDisable", "PIDs", "CFS", "shares", "cpuset", "I/O weight", "I/O throttling"];
    assert.deepEqual(words.map((word) => warnings.filter((w) => w.includes(word)).length), words.map(() => 1));
    assert.equal(warnings.length, words.length);
    assert.ok(warnings.every((w) => /iscarded\.$/.test(w)));
  });

  it("a task's limit above the host's processors is no reason to refuse it", () => {
    assert.deepEqual(check({ limits: { ...none, cpuMillis: 64_000 }, resources: undefined }).warnings, []);
  });

  it("the host name is the id's beginning, or the host's own", () => {
    assert.equal(check({ hostname: "" }).config.hostname, "0123456789ab");
    assert.equal(check({ hostname: "", network: { mode: "host", endpoints: {}, ports: [] } }).config.hostname, "kermit");
    assert.equal(check({ hostname: "", utsMode: "host" }).config.hostname, "kermit");
  });

  it("sets of processors are read", () => {
    assert.deepEqual([...parseSet("0-2,7")!], [0, 1, 2, 7]);
    for (const bad of ["", "a", "2-1", "1,,2", "-1"]) assert.equal(parseSet(bad), undefined, bad);
  });
});

describe("engine: resources in the runtime's words", () => {
  const resources = (more: Partial<ContainerConfig>, hasSwapLimit = true, devices?: Parameters<typeof ociResources>[2]) => ociResources(config(more), hasSwapLimit, devices) as Record<"memory" | "cpu" | "blockIO" | "devices" | "pids", object>;

  it("swap: none beside a task's memory, as much again for a person's container, or what is said", () => {
    const limits = { ...none, memoryBytes: 64 * mebibyte };
    assert.deepEqual(resources({ limits, resources: undefined }).memory, { limit: 64 * mebibyte, swap: 64 * mebibyte });
    assert.deepEqual(resources({ limits }).memory, { limit: 64 * mebibyte, swap: 128 * mebibyte });
    assert.deepEqual(resources({ limits, resources: { memorySwapBytes: -1, memorySwappiness: 0 }, oomKillDisable: true }).memory, { limit: 64 * mebibyte, swap: -1, swappiness: 0, disableOOMKiller: true });
    assert.deepEqual(resources({ limits }, false).memory, { limit: 64 * mebibyte });
  });

  it("processors: quota, shares, sets, real time", () => {
    assert.deepEqual(resources({ resources: { cpuPeriodUs: 50_000, cpuQuotaUs: 25_000, cpuShares: 1, cpusetCpus: "0", cpusetMems: "0", cpuRtPeriodUs: 1000, cpuRtRuntimeUs: 500 } }).cpu,
      { period: 50_000, quota: 25_000, shares: 2, realtimePeriod: 1000, realtimeRuntime: 500, cpus: "0", mems: "0" });
  });

  it("devices and block I/O", () => {
    const devices = { block: new Map([["/dev/sda", { major: 8, minor: 0 }]]), given: [{ path: "/dev/fuse", type: "c" as const, major: 10, minor: 229, fileMode: 0o666, uid: 0, gid: 0, permissions: "rw" }] };
    const found = resources({ deviceCgroupRules: ["c 1:* rwm"], resources: { blkioWeight: 100, blkioWeightDevices: [{ path: "/dev/sda", weight: 200 }], blkioThrottle: [{ kind: "writeIops", path: "/dev/sda", rate: 7 }] } }, true, devices);
    assert.deepEqual(found.devices, [{ allow: false, access: "rwm" }, { allow: true, type: "c", major: 10, minor: 229, access: "rw" }, { allow: true, type: "c", major: 1, access: "rwm" }]);
    assert.deepEqual(found.blockIO, { weight: 100, weightDevice: [{ major: 8, minor: 0, weight: 200 }], throttleReadBpsDevice: [], throttleWriteBpsDevice: [], throttleReadIOPSDevice: [], throttleWriteIOPSDevice: [{ major: 8, minor: 0, rate: 7 }] });
    assert.deepEqual(resources({ privileged: true }).devices, [{ allow: true, access: "rwm" }]);
  });

  it("device numbers are taken apart as makedev(3) puts them together", () => {
    assert.deepEqual([0x0103, 0xae5, 0x12300845].map(deviceNumbers), [{ major: 1, minor: 3 }, { major: 10, minor: 229 }, { major: 8, minor: 0x12345 }]);
  });

  it("what an update lifts is lifted in words; what it does not name stays", () => {
    const before = config({ limits: { cpuMillis: 500, memoryBytes: 64 * mebibyte, pids: 10 }, resources: { cpuShares: 100 } });
    const after = changed(before, { limits: { memoryBytes: 0, pids: 0, cpuMillis: 0 }, resources: { cpuShares: 0 } });
    assert.deepEqual(liveResources(before, after, ociResources(after, true)), { memory: { limit: -1, swap: -1 }, cpu: { quota: -1, shares: 1024 } });
    assert.deepEqual(changed(before, { limits: { pids: 5 } }).limits, { cpuMillis: 500, memoryBytes: 64 * mebibyte, pids: 5 });
  });

  it("limits that hold now are refused when they contradict what is set already", () => {
    const before = config({ limits: { ...none, memoryBytes: 64 * mebibyte }, resources: { memorySwapBytes: 64 * mebibyte } });
    assert.throws(() => checkLimits(changed(before, { limits: { memoryBytes: 128 * mebibyte } }), able), /is below the memory limit/);
  });
});

describe("engine: a container's config in the runtime's words", () => {
  const bundle = (more: Partial<ContainerConfig>, inputs: Partial<BundleInputs> = {}) => ociConfig({
    config: config(more), image: { entrypoint: [], cmd: ["sh"], env: [], workdir: "", user: "", stopSignal: "", labels: {}, volumes: [], exposedPorts: [], health: undefined },
    user: { uid: 0, gid: 0, additionalGids: [], home: "/" }, capabilities: ["CAP_CHOWN"], security: parseSecurityOptions(more.securityOptions ?? [], able).security, seccomp: { defaultAction: "x" },
    network: { kind: "own" }, namespaces: aloneNamespaces, cgroupPath: "/skein/x", resources: {}, devices: [], mounts: [], files: { resolvConf: "/r", hosts: "/h", hostname: "/n" }, initProgram: "/init", ...inputs,
  }) as { hostname?: string; process: Record<string, unknown> & { env: string[] }; mounts: { destination: string; source: string; options: string[] }[]; linux: Record<string, unknown> & { namespaces: { type: string; path?: string }[]; sysctl: Record<string, string> } };
  const mountAt = (spec: ReturnType<typeof bundle>, path: string) => spec.mounts.find((m) => m.destination === path);

  it("privileged: nothing masked, nothing read-only", () => {
    const spec = bundle({ privileged: true }, { seccomp: undefined });
    assert.deepEqual([spec.linux["maskedPaths"], spec.linux["readonlyPaths"], "seccomp" in spec.linux], [[], [], false]);
    assert.ok(mountAt(spec, "/sys")!.options.includes("rw") && mountAt(spec, "/sys/fs/cgroup")!.options.includes("rw"));
    assert.ok(mountAt(bundle({}), "/sys")!.options.includes("ro"));
  });

  it("paths in /proc are masked as asked", () => {
    assert.deepEqual([bundle({ maskedPaths: [], readonlyPaths: ["/proc/x"] }).linux["maskedPaths"], bundle({ maskedPaths: [], readonlyPaths: ["/proc/x"] }).linux["readonlyPaths"]], [[], ["/proc/x"]]);
    assert.deepEqual(bundle({ securityOptions: ["systempaths=unconfined"] }).linux["maskedPaths"], []);
  });

  it("namespaces: own, of the host, of others", () => {
    const types = (spec: ReturnType<typeof bundle>) => spec.linux.namespaces.map((n) => (n.path ? `${n.type}=${n.path}` : n.type)).join(" ");
    assert.equal(types(bundle({})), "mount pid ipc uts network cgroup");
    const host = bundle({}, { network: { kind: "host" }, namespaces: { ipc: { kind: "host" }, pid: { kind: "path", path: "/proc/7/ns/pid" }, uts: { kind: "host" }, cgroup: { kind: "host" }, shm: { kind: "bind", source: "/dev/shm" }, hostMqueue: "/dev/mqueue" } });
    assert.equal(types(host), "mount pid=/proc/7/ns/pid");
    assert.deepEqual([host.hostname, host.linux.sysctl, mountAt(host, "/dev/shm")!.source, mountAt(host, "/dev/mqueue")!.source], [undefined, {}, "/dev/shm", "/dev/mqueue"]);
    assert.equal(mountAt(bundle({}, { namespaces: { ...aloneNamespaces, shm: { kind: "none" } } }), "/dev/shm"), undefined);
    assert.deepEqual(namespacesOf({}, true).cgroup, { kind: "own" });
    assert.deepEqual(namespacesOf({}, false).cgroup, { kind: "host" });
    assert.deepEqual(namespacesOf({ ipcMode: "container:web" }, false), { ipc: { kind: "of", container: "web" }, pid: { kind: "own" }, uts: { kind: "own" }, cgroup: { kind: "host" }, shm: "shared" });
  });

  it("names, limits of processes, scores, the size of /dev/shm", () => {
    const spec = bundle({ hostname: "web", domainname: "example.org", ulimits: [{ name: "nofile", soft: 10, hard: -1 }], oomScoreAdj: 7, shmSizeBytes: 4096, securityOptions: ["no-new-privileges"] });
    assert.deepEqual([spec.hostname, spec.linux.sysctl["kernel.domainname"], spec.process["oomScoreAdj"], spec.process["noNewPrivileges"]], ["web", "example.org", 7, true]);
    assert.ok(spec.process.env.includes("HOSTNAME=web"));
    assert.ok(mountAt(spec, "/dev/shm")!.options.includes("size=4096"));
    assert.match(ociJson(spec), /"rlimits":\[\{"type":"RLIMIT_NOFILE","soft":10,"hard":18446744073709551615\}\]/);
    assert.deepEqual(ociRlimits(undefined), []);
  });

  it("mounts: recursion, propagation, and those that replace the system's", () => {
    const bind = (more: object) => ({ kind: "bind" as const, source: "/s", target: "/t", access: "rw" as const, propagation: "rprivate", isRecursive: true, ...more });
    assert.deepEqual(mountAt(bundle({}, { mounts: [bind({ isRecursive: false, access: "ro" })] }), "/t")!.options, ["bind", "private", "ro"]);
    assert.equal(bundle({}, { mounts: [bind({ propagation: "rshared" })] }).linux["rootfsPropagation"], "shared");
    assert.equal(bundle({}, { mounts: [bind({ propagation: "slave" })] }).linux["rootfsPropagation"], "rslave");
    const dev = bundle({}, { mounts: [bind({ target: "/dev" })] });
    assert.deepEqual(dev.mounts.filter((m) => m.destination.startsWith("/dev")).map((m) => m.source), ["/s"]);
  });

  it("tmpfs options are Docker's defaults, changed by what is asked", () => {
    const options = (more: Partial<Extract<EngineMount, { type: "tmpfs" }>>) => tmpfsOptions(more).join(",");
    assert.equal(options({}), "noexec,nosuid,nodev,mode=1777");
    assert.equal(options({ options: "rw,exec,size=64MB,mode=700", sizeBytes: 5 }), "nosuid,nodev,rw,exec,size=64M,mode=700");
    assert.equal(options({ sizeBytes: 4096, mode: 0o755 }), "noexec,nosuid,nodev,size=4096,mode=755");
    for (const bad of ["size=lots", "mode=999", "x", "uid", "noexec=1", "lowerdir=/etc"]) assert.throws(() => tmpfsOptions({ options: bad }), /tmpfs option/, bad);
  });

  it("all capabilities are those that the daemon holds", () => {
    assert.deepEqual(heldCapabilities(0b101n), ["CAP_CHOWN", "CAP_DAC_READ_SEARCH"]);
    assert.throws(() => capabilitiesOf(["sysadmin"], [], able.boundingCapabilities), /did you mean SYS_ADMIN/);
  });
});

describe("engine: security options", () => {
  it("are read in both spellings; what the host lacks is warned of", () => {
    const { security } = parseSecurityOptions(["no-new-privileges:true", "seccomp:unconfined", "apparmor=mine", "writable-cgroups=true"], able);
    assert.deepEqual([security.noNewPrivileges, security.seccomp, security.apparmorProfile, security.hasWritableCgroups], [true, { kind: "unconfined" }, "mine", true]);
    assert.deepEqual(parseSecurityOptions(["apparmor=mine", "apparmor=unconfined", "label=type:x", "label=disable"], unable).warnings.length, 2);
    assert.equal(parseSecurityOptions(["no-new-privileges=false"], able).security.noNewPrivileges, false);
    assert.throws(() => parseSecurityOptions(["no-new-privileges=maybe"], able), /write no-new-privileges=true/);
  });

  it("a profile in Docker's format: conditions are decided, names are gathered", () => {
    const profile = {
      defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 1,
      archMap: [{ architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86", "SCMP_ARCH_X32"] }, { architecture: "SCMP_ARCH_AARCH64", subArchitectures: ["SCMP_ARCH_ARM"] }],
      syscalls: [
        { names: ["read"], action: "SCMP_ACT_ALLOW" },
        { name: "write", action: "SCMP_ACT_ALLOW", args: [{ index: 0, value: 1, op: "SCMP_CMP_EQ" }] },
        { names: ["mount"], action: "SCMP_ACT_ALLOW", includes: { caps: ["CAP_SYS_ADMIN"] } },
        { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: 38, excludes: { caps: ["CAP_SYS_ADMIN"] } },
        { names: ["ptrace"], action: "SCMP_ACT_ALLOW", includes: { minKernel: "4.8" } },
        { names: ["future"], action: "SCMP_ACT_ALLOW", includes: { minKernel: "7.0" } },
        { names: ["arm_sync"], action: "SCMP_ACT_ALLOW", includes: { arches: ["arm", "arm64"] } },
      ],
    };
    const translate = (capabilities: string[]) => translateSeccompProfile(profile, { capabilities, arch: "amd64", kernel: "6.1.0" }) as { architectures: string[]; syscalls: { names: string[] }[] };
    assert.deepEqual(translate([]).syscalls.flatMap((s) => s.names), ["read", "write", "clone3", "ptrace"]);
    assert.deepEqual(translate(["CAP_SYS_ADMIN"]).syscalls.flatMap((s) => s.names), ["read", "write", "mount", "ptrace"]);
    assert.deepEqual(translate([]).architectures, ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]);
    for (const [bad, why] of [[[], /no JSON object/], [{}, /defaultAction is missing/], [{ defaultAction: "ALLOW" }, /defaultAction is "ALLOW"/], [{ ...profile, architectures: ["x"] }, /both architectures and archMap/], [{ defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["a"] }] }, /rule 1 of its syscalls has the action missing/], [{ defaultAction: "SCMP_ACT_ALLOW", syscalls: 7 }, /no list/]] as const) {
      assert.throws(() => translateSeccompProfile(bad, { capabilities: [], arch: "amd64", kernel: "6.1" }), why);
    }
  });
});
