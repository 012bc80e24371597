import assert from "node:assert/strict";
import { argumentsOf, environmentOf } from "./bundle.js";
import { capabilitiesOf } from "./capabilities.js";
import { oomFileOf, readCgroupLayout } from "./cgroups.js";
import { mountsBelow } from "./mountinfo.js";
import { signalNumber } from "./process-identity.js";
import { ociResources } from "./resources.js";
import { explainStartFailure } from "./runtime.js";

const everything = (1n << 41n) - 1n;

describe("engine: what the runtime is told", () => {
  it("ENTRYPOINT and CMD combine as in Docker", () => {
    const image = { entrypoint: ["e"], cmd: ["c"] } as never;
    const args = (config: object) => argumentsOf(config as never, image).join(" ");
    assert.deepEqual([args({}), args({ args: ["a"] }), args({ command: ["x"] }), args({ command: ["x"], args: ["a"] })], ["e c", "e a", "x", "x a"]);
  });
  it("the last setting of a variable wins, and a bare name removes it", () => {
    assert.deepEqual(environmentOf(["A=1", "B=2"], ["A=3", "C=="], ["B"]), ["A=3", "C=="]);
  });
  it("capabilities add to and drop from the default, never beyond what the daemon has", () => {
    assert.equal(capabilitiesOf([], [], everything).length, 14);
    assert.ok(capabilitiesOf(["net_admin"], [], everything).includes("CAP_NET_ADMIN"));
    assert.deepEqual(capabilitiesOf(["CHOWN"], ["ALL"], everything), ["CAP_CHOWN"]);
    assert.ok(!capabilitiesOf(["ALL"], [], everything & ~(1n << 24n)).includes("CAP_SYS_RESOURCE"));
    assert.throws(() => capabilitiesOf(["FLY"], [], everything), /Capability "FLY" is not known/);
  });
  it("small CPU limits use a longer period, since the kernel takes no quota under 1 ms", () => {
    const none = { cpuMillis: 0, memoryBytes: 0, pids: 0 };
    const cpu = (cpuMillis: number) => (ociResources({ limits: { ...none, cpuMillis }, reservations: none }, false) as { cpu: object }).cpu;
    assert.deepEqual([cpu(1500), cpu(5)], [{ period: 100_000, quota: 150_000 }, { period: 1_000_000, quota: 5_000 }]);
  });
  it("cgroup layouts are told apart", () => {
    const v1 = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
    const v2 = "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
    const hybrid = `${v1}41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n`;
    assert.deepEqual([v1, v2, hybrid].map((m) => readCgroupLayout(m).kind), ["v1", "v2", "hybrid"]);
    assert.deepEqual([v1, v2, hybrid].map((m) => oomFileOf(readCgroupLayout(m), "/skein/x")), ["/sys/fs/cgroup/memory/skein/x/memory.oom_control", "/sys/fs/cgroup/skein/x/memory.events", "/sys/fs/cgroup/memory/skein/x/memory.oom_control"]);
  });
  it("mount points with blanks are found", () => {
    assert.deepEqual(mountsBelow("1 2 0:1 / /run/a\\040b/c rw - overlay o rw\n1 2 0:1 / /run/abc rw - overlay o rw", "/run/a b"), ["/run/a b/c"]);
  });
  it("signals have names, numbers and real-time offsets", () => {
    assert.deepEqual(["TERM", "sigterm", "15", "SIGRTMIN+3", "RTMAX-1"].map(signalNumber), [15, 15, 15, 37, 63]);
    for (const bad of ["", "NOPE", "0", "65", "RTMIN+99"]) assert.throws(() => signalNumber(bad), /is not known/);
  });
  it("failed starts are explained", () => {
    const explain = (text: string) => { const { text: words, exitCode } = explainStartFailure(text); return `${exitCode} ${words}`; };
    assert.equal(explain('runc run failed: unable to start container process: exec: "nope": executable file not found in $PATH'), "127 command \"nope\" is not in the image: executable file not found in $PATH; check the command and the image's PATH");
    assert.match(explain('runc run failed: unable to start container process: exec: "/etc/passwd": permission denied'), /^126 command "\/etc\/passwd" may not be executed/);
    for (const text of ["openat2 `proc/keys`: Too many open files", "writing file `/sys/fs/cgroup/cpuset/skein/x/cgroup.procs`: No space left on device"]) assert.match(explain(text), /^128 its limit of open files/);
    assert.equal(explain("runc run failed: unable to apply cgroup configuration: disk full"), "128 unable to apply cgroup configuration: disk full");
  });
});
