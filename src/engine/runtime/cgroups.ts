/** How this host's control groups are laid out, from /proc/self/mountinfo. */
export interface CgroupLayout {
  readonly kind: "v1" | "v2" | "hybrid";
  /** Mount point of v1's memory controller, or of v2. */
  readonly memoryMount: string | undefined;
  /** Where cgroup v2 is mounted, if it is. */
  readonly unifiedMount: string | undefined;
  /** Every hierarchy's mount point. */
  readonly mounts: readonly string[];
}

export function readCgroupLayout(mountinfo: string): CgroupLayout {
  let memoryMount: string | undefined;
  let unifiedMount: string | undefined;
  let hasV1 = false;
  const mounts: string[] = [];
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
    }
  }
  if (!hasV1) return { kind: "v2", memoryMount: unifiedMount, unifiedMount, mounts };
  return { kind: unifiedMount ? "hybrid" : "v1", memoryMount, unifiedMount, mounts };
}

/** The file whose line "oom_kill N" counts kills inside the container's group. */
export function oomFileOf(layout: CgroupLayout, cgroupPath: string): string | undefined {
  return layout.memoryMount && `${layout.memoryMount}${cgroupPath}/${layout.kind === "v2" ? "memory.events" : "memory.oom_control"}`;
}
