import { copyFile, mkdir, mkdtemp, rm, rmdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { CgroupLayout } from "./cgroups.js";
import type { Runtime } from "./runtime.js";
import { seccompProfile } from "./seccomp-default.js";

export interface TrialParts { readonly directory: string; readonly monitorPath: string; readonly cgroups: CgroupLayout; readonly cgroupParent: string }

/** A container that does nothing, to see what a runtime does with it: its root holds nothing but the monitor. Everything is gone afterwards. */
export async function withTrialBundle<T>(runtime: Runtime, seccomp: object, parts: TrialParts, work: (id: string, bundle: string) => Promise<T>): Promise<T> {
  await mkdir(parts.directory, { recursive: true, mode: 0o700 });
  await mkdir(runtime.root, { recursive: true, mode: 0o700 });
  const bundle = await mkdtemp(join(parts.directory, "trial-"));
  const id = `trial-${basename(bundle).slice(6).toLowerCase()}-${runtime.name.replace(/[^\w.-]/g, "_")}`;
  const cgroupPath = `${parts.cgroupParent}/${id}`;
  try {
    for (const name of ["dev", "proc", "sys"]) await mkdir(join(bundle, "rootfs", name), { recursive: true });
    await copyFile(parts.monitorPath, join(bundle, "rootfs", "trial"));
    await writeFile(join(bundle, "config.json"), JSON.stringify(trialConfig(cgroupPath, seccomp, parts.cgroups.kind === "v2")));
    return await work(id, bundle);
  } finally {
    if (await runtime.holds(id)) await runtime.run(["delete", "--force", id], { timeoutMs: 30_000 });
    for (const mount of parts.cgroups.mounts) await rmdir(mount + cgroupPath).catch(() => {});
    await rm(bundle, { recursive: true, force: true });
  }
}

/** Undefined if a container with all that every container has runs to its end; otherwise the runtime's words. */
export async function tryRuntime(runtime: Runtime, parts: TrialParts): Promise<string | undefined> {
  return withTrialBundle(runtime, seccompProfile([]), parts, async (id, bundle) => {
    const result = await runtime.run(["run", "--bundle", bundle, id], { timeoutMs: 30_000 });
    if (result.code === 0) return undefined;
    return result.stderr.trim().split("\n").at(-1)?.replace(/^time=\S+ level=\w+ msg="(.*)"$/, "$1") || `a trial container ended with code ${result.code}`;
  });
}

function trialConfig(cgroupPath: string, seccomp: object, isCgroupV2: boolean): object {
  return {
    ociVersion: "1.0.2", root: { path: "rootfs", readonly: true },
    process: { terminal: false, args: ["/trial", "unmount"], env: [], cwd: "/", user: { uid: 0, gid: 0 }, capabilities: {} },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "strictatime", "mode=755", "size=65536k"] },
      { destination: "/dev/pts", type: "devpts", source: "devpts", options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"] },
      { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] },
      { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["ro", "nosuid", "noexec", "nodev"] },
    ],
    linux: {
      cgroupsPath: cgroupPath, seccomp, resources: { devices: [{ allow: false, access: "rwm" }] },
      namespaces: [...["pid", "ipc", "uts", "mount", "network"], ...(isCgroupV2 ? ["cgroup"] : [])].map((type) => ({ type })),
    },
  };
}
