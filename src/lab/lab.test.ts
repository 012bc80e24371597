import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { waitFor } from "../lib/testing.js";
import { labDown, labHeal, labKill, labList, labPartition, labPause, labResume, labStart, labStop, labUp } from "./index.js";
import { argvInside } from "./host.js";
import { claimLab, getHost, getLab, hostPaths, planHosts } from "./state.js";
import { makeBridge } from "./network.js";

const name = `t${process.pid % 100000}`;
const sleeper = ["sleep", "86399"];

/** Everything on this machine that has the lab's name in it. */
function traces(): string[] {
  const shell = (line: string) => spawnSync("sh", ["-c", line], { encoding: "utf8" }).stdout.split("\n").filter(Boolean);
  return [
    ...shell(`ip -o link | grep -F skl-${name}`), ...shell(`nft list tables | grep -F skein-lab-${name}`), ...shell(`grep -F skein-lab/${name} /proc/self/mounts`),
    ...shell(`find /sys/fs/cgroup -maxdepth 3 -name 'skein-lab-${name}'`),
    ...["/var/lib/skein-lab", "/run/skein-lab"].map((root) => join(root, name)).filter((path) => existsSync(path)),
    ...readdirSync("/proc").filter((pid) => { try { return readFileSync(`/proc/${pid}/environ`, "utf8").includes(`SKEIN_LAB_HOST=${name}/`); } catch { return false; } }),
  ];
}

describe("lab (needs root)", function () {
  this.timeout(60_000);
  if (process.getuid?.() !== 0) return;
  const inside = (host: string, ...argv: string[]) => {
    const lab = getLab(name);
    const [program, ...args] = argvInside(lab, getHost(lab, host), argv);
    return execFileSync(program!, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  };
  // Nobody listens there: a host that is reached refuses at once, one that is not lets the time run out.
  const reaches = (from: string, to: string) =>
    inside(from, "sh", "-c", `timeout 1 bash -c 'exec 3<>/dev/tcp/${getHost(getLab(name), to).address}/9' 2>/dev/null; echo $?`) === "1" &&
    inside(from, "ip", "neigh", "show", getHost(getLab(name), to).address).includes("lladdr");
  const state = (host: string) => labList(name).find((row) => row.host === host)!.state;

  afterEach(() => labDown(name));

  it("makes hosts that see each other, lives through stop, kill, pause and partition, and leaves nothing", async () => {
    const { sockets } = await labUp({ name, managers: 2, workers: 1, command: sleeper });
    assert.deepEqual(sockets.map((path) => path.split("/").at(-1)), ["m1", "m2", "w1"]);
    await waitFor("daemons run", () => labList(name).every((row) => row.state === "running"));
    assert.equal(inside("w1", "hostname"), "w1");
    assert.equal(inside("w1", "cat", "/etc/hostname"), "w1");
    assert.equal(inside("w1", "cat", "/proc/1/comm"), "tini");
    assert.ok(reaches("m1", "w1"));

    await labPartition(name, [["m1"], ["m2", "w1"]]);
    assert.ok(!reaches("m1", "w1"));
    assert.ok(reaches("m2", "w1"));
    await labHeal(name);
    assert.ok(reaches("m1", "w1"));
    await assert.rejects(labPartition(name, [["m1"], ["m1"]]), { code: "INVALID_ARGUMENT" });
    await assert.rejects(labPartition(name, [["m1"], ["nobody"]]), { code: "NOT_FOUND" });

    await labKill(name, "m1", { daemonOnly: true });
    assert.equal(state("m1"), "daemon stopped");
    await labStart(name, "m1");
    await waitFor("the daemon runs again", () => state("m1") === "running");

    writeFileSync(join(hostPaths(name, "w1").state, "kept"), "");
    await labKill(name, "w1");
    assert.equal(state("w1"), "stopped");
    assert.ok(!reaches("m1", "w1"));
    await labStart(name, "w1");
    await waitFor("w1 is back at its address", () => reaches("m1", "w1"));
    assert.ok(existsSync(join(hostPaths(name, "w1").state, "kept")));
    assert.ok(inside("w1", "ip", "link", "show", "eth0").includes(getHost(getLab(name), "w1").mac));

    await assert.rejects(labStart(name, "w1", ["1"]), { code: "FAILED_PRECONDITION" });
    await labStop(name, "w1", { daemonOnly: true });
    await labStart(name, "w1", ["1"]);
    // It is known by its exact arguments.
    await waitFor("it runs with its own flag", () => state("w1") === "running");
    assert.deepEqual(getHost(getLab(name), "w1").args, ["1"]);

    await labPause(name, "m2");
    assert.equal(state("m2"), "paused");
    await labResume(name, "m2");
    assert.equal(state("m2"), "running");
    await labStop(name, "m2");
    assert.equal(state("m2"), "stopped");
    await labPause(name, "m1");
    await labDown(name);
    assert.deepEqual(traces(), []);
  });

  it("stands beside another lab", async () => {
    const other = `u${process.pid % 100000}`;
    const [a, b] = await Promise.all([labUp({ name, managers: 1, workers: 0, command: sleeper }), labUp({ name: other, managers: 1, workers: 0, command: sleeper })]);
    try { assert.notEqual(a!.lab.subnet, b!.lab.subnet); } finally { await labDown(other); }
    await waitFor("still there", () => state("m1") === "running");
  });

  it("is taken down when only a part of it was made, and when nothing was", async () => {
    const lab = claimLab(name, (subnet) => subnet < 200, (subnet) => ({ name, subnet, createdAtMs: 0, hosts: planHosts(subnet, 2, 0), command: sleeper }));
    await makeBridge(lab);
    await assert.rejects(labUp({ name, managers: 1, workers: 0, command: sleeper }), { code: "ALREADY_EXISTS" });
    await labDown(name);
    assert.deepEqual(traces(), []);
    await labDown(name);
  });

  it("refuses names that an interface cannot have, and sizes that make no cluster", async () => {
    await assert.rejects(labUp({ name: "much-too-long-a-name", managers: 1, workers: 0 }), { code: "INVALID_ARGUMENT" });
    await assert.rejects(labUp({ name: "../x", managers: 1, workers: 0 }), { code: "INVALID_ARGUMENT" });
    await assert.rejects(labUp({ name, managers: 0, workers: 0 }), { code: "INVALID_ARGUMENT" });
    await assert.rejects(labUp({ name, managers: 1, workers: 0, hostArgs: { w1: ["--gpu", "none"] } }), { code: "NOT_FOUND" });
    assert.deepEqual(traces(), []);
  });
});
