/** How this host's control groups are laid out, from /proc/self/mountinfo. */
export interface CgroupLayout {
  readonly kind: "v1" | "v2" | "hybrid";
  /** Mount point of v1's memory controller, or of v2. */
  readonly memoryMount: string | undefined;
  /** Where cgroup v2 is mounted, if it is. */
  readonly unifiedMount: string | undefined;
  /** Where each of v1's controllers is mounted. */
  readonly v1Mounts: Readonly<Record<string, string>>;
  /** Every hierarchy's mount point. */
  readonly mounts: readonly string[];
}

export function readCgroupLayout(mountinfo: string): CgroupLayout {
  let memoryMount: string | undefined;
  let unifiedMount: string | undefined;
  let hasV1 = false;
  const mounts: string[] = [];
  const v1Mounts: Record<string, string> = {};
  for (const line of mountinfo.split("\n")) {
    const [left = "", right = ""] = line.split(" - ");
    const mountPoint = left.split(" ")[4];
    const [type, , superOptions = ""] = right.split(" ");
    if (mountPoint && (type === "cgroup" || type === "cgroup2")) mounts.push(mountPoint);
    if (type === "cgroup2") unifiedMount ??= mountPoint;
    if (type === "cgroup") {
      const controllers = superOptions.split(",");
      if (controllers.some((c) => ["cpu", "memory", "pids"].includes(c))) hasV1 = true;
      if (controllers.includes("memory")) memoryMount ??= mountPoint;
      if (mountPoint) for (const controller of controllers) v1Mounts[controller] ??= mountPoint;
    }
  }
  if (!hasV1) return { kind: "v2", memoryMount: unifiedMount, unifiedMount, v1Mounts: {}, mounts };
  return { kind: unifiedMount ? "hybrid" : "v1", memoryMount, unifiedMount, v1Mounts, mounts };
}

/** A file of a group: of v2, or of v1's controller; undefined if that is mounted nowhere. */
export function cgroupFile(layout: CgroupLayout, cgroupPath: string, controller: string, name: string): string | undefined {
  const mount = layout.kind === "v2" ? layout.unifiedMount : layout.v1Mounts[controller];
  return mount && `${mount}${cgroupPath}/${name}`;
}

/** The file whose line "oom_kill N" counts kills inside the container's group. */
export function oomFileOf(layout: CgroupLayout, cgroupPath: string): string | undefined {
  return layout.memoryMount && `${layout.memoryMount}${cgroupPath}/${layout.kind === "v2" ? "memory.events" : "memory.oom_control"}`;
}
