import type { ContainerConfig, ImageConfig } from "../api/index.js";
import type { PreparedNetwork } from "../containers/ports.js";
import type { ContainerUser } from "../containers/user.js";
import { seccompProfile } from "./seccomp-default.js";

/** Everything that a bundle's config.json is made of, decided. */
export interface BundleInputs {
  readonly config: ContainerConfig;
  readonly image: ImageConfig;
  readonly user: ContainerUser;
  readonly capabilities: readonly string[];
  readonly network: PreparedNetwork["namespace"];
  readonly cgroupPath: string;
  readonly resources: object;
  readonly mounts: readonly ResolvedMount[];
  readonly files: { readonly resolvConf: string; readonly hosts: string; readonly hostname: string };
  readonly isCgroupV2: boolean;
  /** Host path of the static init program; used when the container asks for one. */
  readonly initProgram: string;
}

export type ResolvedMount =
  | { readonly kind: "bind"; readonly source: string; readonly target: string; readonly readOnly: boolean; readonly propagation: string }
  | { readonly kind: "tmpfs"; readonly target: string; readonly sizeBytes: number | undefined; readonly mode: number | undefined };

const initPath = "/sbin/skein-init";
const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const maskedPaths = [
  "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi",
  "/sys/firmware", "/sys/devices/virtual/powercap",
];
const readonlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/** ENTRYPOINT and CMD as Docker combines them with a service's command and args. */
export function argumentsOf(config: ContainerConfig, image: ImageConfig): string[] {
  const command = config.command?.length ? config.command : image.entrypoint;
  const args = config.args?.length ? config.args : config.command?.length ? [] : image.cmd;
  return [...command, ...args];
}

/** Later settings of a variable win; the first setting's place is kept. "NAME" without "=" removes it. */
export function environmentOf(...lists: readonly (readonly string[])[]): string[] {
  const variables = new Map<string, string>();
  for (const entry of lists.flat()) {
    const equals = entry.indexOf("=");
    if (equals < 0) variables.delete(entry); else variables.set(entry.slice(0, equals), entry);
  }
  return [...variables.values()];
}

/** OCI runtime spec 1.0.2. */
export function ociConfig(inputs: BundleInputs): object {
  const { config, image, user } = inputs;
  const args = argumentsOf(config, image);
  // No rlimits and no oomScoreAdj: raising either takes CAP_SYS_RESOURCE, which hosts in containers and small VMs lack.
  return {
    ociVersion: "1.0.2",
    hostname: config.hostname,
    root: { path: "rootfs", readonly: config.readOnly ?? false },
    process: processOf(inputs, config.init ? [initPath, "init", "--", ...args] : args, environmentOf([defaultPath, `HOSTNAME=${config.hostname}`, ...(config.tty ? ["TERM=xterm"] : [])], image.env, config.env), user, config.tty ?? false),
    mounts: [...systemMounts(inputs), ...inputs.mounts.map(ociMount).sort((a, b) => depth(a.destination) - depth(b.destination))],
    linux: {
      cgroupsPath: inputs.cgroupPath,
      resources: inputs.resources,
      namespaces: [
        { type: "pid" }, { type: "ipc" }, { type: "uts" }, { type: "mount" }, ...(inputs.network.kind === "host" ? [] : [{ type: "network", ...(inputs.network.kind === "path" ? { path: inputs.network.path } : {}) }]),
        ...(inputs.isCgroupV2 ? [{ type: "cgroup" }] : []),
      ],
      sysctl: { ...(inputs.network.kind === "host" ? {} : { "net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647" }), ...config.sysctls },
      maskedPaths, readonlyPaths,
      seccomp: seccompProfile(inputs.capabilities),
    },
  };
}

/** `process` of config.json, and the whole of a process.json for exec. */
export function processOf(inputs: Pick<BundleInputs, "config" | "image" | "capabilities">, args: readonly string[], env: readonly string[], user: ContainerUser, terminal: boolean): object {
  const { bounding, effective } = { bounding: inputs.capabilities, effective: user.uid === 0 ? inputs.capabilities : [] };
  return {
    terminal, args, env,
    cwd: inputs.config.workdir || inputs.image.workdir || "/",
    user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids, umask: 0o022 },
    capabilities: { bounding, effective, permitted: effective },
    noNewPrivileges: false,
  };
}

interface OciMount { readonly destination: string; readonly type: string; readonly source: string; readonly options: readonly string[] }

function systemMounts(inputs: BundleInputs): OciMount[] {
  const targets = new Set(inputs.mounts.map((m) => m.target));
  const system: OciMount[] = [
    { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
    { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "strictatime", "mode=755", "size=65536k"] },
    { destination: "/dev/pts", type: "devpts", source: "devpts", options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"] },
    { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] },
    { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["ro", "nosuid", "noexec", "nodev"] },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"] },
    { destination: "/dev/shm", type: "tmpfs", source: "shm", options: ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"] },
    { destination: "/etc/resolv.conf", type: "bind", source: inputs.files.resolvConf, options: ["rbind", "rprivate"] },
    { destination: "/etc/hostname", type: "bind", source: inputs.files.hostname, options: ["rbind", "rprivate"] },
    { destination: "/etc/hosts", type: "bind", source: inputs.files.hosts, options: ["rbind", "rprivate"] },
  ];
  if (inputs.config.init) system.push({ destination: initPath, type: "bind", source: inputs.initProgram, options: ["bind", "ro"] });
  return system.filter((m) => !targets.has(m.destination));
}

function ociMount(mount: ResolvedMount): OciMount {
  if (mount.kind === "bind") return { destination: mount.target, type: "bind", source: mount.source, options: ["rbind", mount.propagation, mount.readOnly ? "ro" : "rw"] };
  const options = ["nosuid", "nodev", "noexec", ...(mount.sizeBytes ? [`size=${mount.sizeBytes}`] : []), `mode=${(mount.mode || 0o1777).toString(8)}`];
  return { destination: mount.target, type: "tmpfs", source: "tmpfs", options };
}

const depth = (path: string): number => path.split("/").filter((p) => p !== "").length;
