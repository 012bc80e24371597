import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { CgroupLayout } from "./cgroups.js";
import { readHostAbilities, type HostAbilities } from "./host-abilities.js";

/** The limits that a host with these files in its control groups offers, by the short of their names. */
async function limitsOf(files: Record<string, string>, layoutAt: (root: string) => CgroupLayout): Promise<string> {
  const root = mkdtempSync(join(tmpdir(), "skein-groups-"));
  try {
    for (const [name, text] of Object.entries(files)) { mkdirSync(dirname(join(root, name)), { recursive: true }); writeFileSync(join(root, name), text); }
    const host = await readHostAbilities(layoutAt(root));
    const limits = ["MemoryLimit", "SwapLimit", "Swappiness", "OomKillDisable", "PidsLimit", "CpuQuota", "CpuShares", "CpuRealtime", "Cpuset", "BlkioWeight", "BlkioThrottle"];
    return limits.filter((name) => host[`has${name}` as keyof HostAbilities] === true).join(" ");
  } finally { rmSync(root, { recursive: true }); }
}

describe("engine: what a host's control groups can limit", () => {
  const unified = (root: string): CgroupLayout => ({ kind: "v2", memoryMount: root, unifiedMount: root, v1Mounts: {}, mounts: [root] });

  it("v2: what its root has controllers for; swap where a group below it shows it; never what only v1 had", async () => {
    const controllers = { "cgroup.controllers": "cpuset cpu io memory hugetlb pids rdma misc\n" };
    const all = "MemoryLimit PidsLimit CpuQuota CpuShares Cpuset BlkioWeight BlkioThrottle";
    assert.equal(await limitsOf({ ...controllers, "system.slice/memory.swap.max": "max\n" }, unified), all.replace(" ", " SwapLimit "));
    assert.equal(await limitsOf({ ...controllers, "system.slice/memory.max": "max\n" }, unified), all);
    assert.equal(await limitsOf({ "cgroup.controllers": "hugetlb\n", "memory.swappiness": "60\n", "cpu.rt_runtime_us": "950000\n" }, unified), "");
  });

  it("v1: by the files of each hierarchy, however they are mounted together", async () => {
    const layout = (root: string): CgroupLayout => ({ kind: "v1", memoryMount: join(root, "memory"), unifiedMount: undefined, v1Mounts: {}, mounts: ["memory", "cpu,cpuacct", "pids"].map((name) => join(root, name)) });
    const files = { "memory/memory.limit_in_bytes": "9223372036854771712\n", "memory/memory.swappiness": "60\n", "memory/memory.oom_control": "oom_kill 0\n", "cpu,cpuacct/cpu.shares": "1024\n", "pids/pids.current": "3\n" };
    assert.equal(await limitsOf(files, layout), "MemoryLimit Swappiness OomKillDisable PidsLimit CpuShares");
    assert.equal(await limitsOf({ ...files, "memory/memory.memsw.limit_in_bytes": "9223372036854771712\n", "cpu,cpuacct/cpu.cfs_quota_us": "-1\n" }, layout), "MemoryLimit SwapLimit Swappiness OomKillDisable PidsLimit CpuQuota CpuShares");
  });
});
