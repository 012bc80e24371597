import type { ContainerConfig, ImageConfig } from "../api/index.js";
import type { PreparedNetwork } from "../containers/ports.js";
import type { ContainerUser } from "../containers/user.js";
import type { OciConfig } from "./runtimes.js";
import { ociDevices } from "./devices.js";
import type { ResourceDevices } from "./resources.js";
import type { Security } from "./security-options.js";
import { tmpfsOptions } from "./tmpfs-options.js";
import { ociRlimits } from "./ulimits.js";

/** Everything that a bundle's config.json is made of, decided. */
export interface BundleInputs {
  readonly config: ContainerConfig;
  readonly image: ImageConfig;
  readonly user: ContainerUser;
  readonly capabilities: readonly string[];
  readonly security: Security;
  /** OCI's linux.seccomp; undefined: no filter. */
  readonly seccomp: object | undefined;
  readonly network: PreparedNetwork["namespace"];
  readonly namespaces: JoinedNamespaces;
  readonly cgroupPath: string;
  readonly resources: object;
  readonly devices: ResourceDevices["given"];
  readonly mounts: readonly ResolvedMount[];
  readonly files: { readonly resolvConf: string; readonly hosts: string; readonly hostname: string };
  /** Host path of the static init program; used when the container asks for one. */
  readonly initProgram: string;
}

export type JoinedNamespace = { readonly kind: "own" } | { readonly kind: "host" } | { readonly kind: "path"; readonly path: string };
export interface JoinedNamespaces {
  readonly ipc: JoinedNamespace; readonly pid: JoinedNamespace; readonly uts: JoinedNamespace; readonly cgroup: JoinedNamespace;
  /** /dev/shm: a tmpfs of its own, a directory of the host, or nothing. */
  readonly shm: { readonly kind: "own" } | { readonly kind: "bind"; readonly source: string } | { readonly kind: "none" };
  /** The host's /dev/mqueue, if it has one: with the host's IPC namespace. */
  readonly hostMqueue?: string;
}

/** "rro": read-only with everything that is mounted below the source. */
export type MountAccess = "rw" | "ro" | "rro";
export type ResolvedMount =
  | { readonly kind: "bind"; readonly source: string; readonly target: string; readonly access: MountAccess; readonly propagation: string; readonly isRecursive: boolean }
  | { readonly kind: "tmpfs"; readonly target: string; readonly sizeBytes?: number; readonly mode?: number; readonly options?: string; readonly readOnly?: boolean };

const initPath = "/sbin/skein-init";
const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const defaultShmBytes = 64 * 1024 * 1024;

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
export function ociConfig(inputs: BundleInputs): OciConfig {
  const { config, image, network, namespaces, security } = inputs;
  const isPrivileged = config.privileged ?? false;
  const args = argumentsOf(config, image);
  const isUnconfined = isPrivileged || security.isSystemUnconfined;
  const ownsNetwork = network.kind !== "host";
  return {
    ociVersion: "1.0.2",
    // A name needs a UTS namespace to be set in.
    ...(namespaces.uts.kind === "host" ? {} : { hostname: config.hostname }),
    root: { path: "rootfs", readonly: config.readOnly ?? false },
    process: processOf(inputs, config.init ? [initPath, "init", "--", ...args] : args),
    // Files of ours lie on top of a volume at /etc, as with Docker.
    mounts: [...systemMounts(inputs), ...[...inputs.mounts.map(ociMount), ...fileMounts(inputs)].sort((a, b) => depth(a.destination) - depth(b.destination))],
    linux: {
      cgroupsPath: inputs.cgroupPath,
      resources: inputs.resources,
      ...(inputs.devices.length > 0 ? { devices: ociDevices(inputs.devices) } : {}),
      namespaces: [
        { type: "mount" }, ...namespace("pid", namespaces.pid), ...namespace("ipc", namespaces.ipc), ...namespace("uts", namespaces.uts), ...namespace("network", network), ...namespace("cgroup", namespaces.cgroup),
      ],
      sysctl: {
        ...(ownsNetwork ? { "net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647" } : {}),
        ...(config.domainname && namespaces.uts.kind !== "host" ? { "kernel.domainname": config.domainname } : {}),
        ...config.sysctls,
      },
      maskedPaths: isUnconfined ? [] : config.maskedPaths ?? maskedPaths, readonlyPaths: isUnconfined ? [] : config.readonlyPaths ?? readonlyPaths,
      ...(inputs.seccomp ? { seccomp: inputs.seccomp } : {}),
      ...rootPropagation(inputs.mounts),
    },
  };
}

/** config.json's text. Numbers above 2^53 (unlimited, seccomp masks) are bigints here, which JSON.stringify refuses. */
export function ociJson(spec: object): string {
  const marked = JSON.stringify(spec, (_, value: unknown) => (typeof value === "bigint" ? `\u0001${value}\u0001` : value));
  return marked.replace(/"\\u0001(\d+)\\u0001"/g, "$1");
}

function processOf({ config, image, user, capabilities, security }: BundleInputs, args: readonly string[]): object {
  const effective = user.uid === 0 ? capabilities : [];
  const rlimits = ociRlimits(config.ulimits);
  return {
    terminal: config.tty ?? false, args,
    env: environmentOf([defaultPath, `HOSTNAME=${config.hostname}`, ...(config.tty ? ["TERM=xterm"] : [])], image.env, config.env),
    cwd: config.workdir || image.workdir || "/",
    user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids, umask: 0o022 },
    capabilities: { bounding: capabilities, effective, permitted: effective },
    noNewPrivileges: security.noNewPrivileges,
    // Nothing is said of what nobody asked for: raising a limit or lowering the score takes CAP_SYS_RESOURCE, which hosts in containers and small VMs lack.
    ...(rlimits.length > 0 ? { rlimits } : {}),
    ...(config.oomScoreAdj ? { oomScoreAdj: config.oomScoreAdj } : {}),
    ...(security.apparmorProfile && !config.privileged ? { apparmorProfile: security.apparmorProfile } : {}),
  };
}

function namespace(type: string, choice: JoinedNamespace): object[] {
  switch (choice.kind) {
    case "own": return [{ type }];
    case "path": return [{ type, path: choice.path }];
    case "host": return [];
  }
}

interface OciMount { readonly destination: string; readonly type: string; readonly source: string; readonly options: readonly string[] }

function systemMounts(inputs: BundleInputs): OciMount[] {
  const { config, namespaces, security } = inputs;
  const targets = new Set(inputs.mounts.map((m) => m.target));
  const ofSys = config.privileged ? "rw" : "ro";
  const ofCgroups = config.privileged || security.hasWritableCgroups ? "rw" : "ro";
  const { shm } = namespaces;
  const system: OciMount[] = [
    { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
    { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "strictatime", "mode=755", "size=65536k"] },
    { destination: "/dev/pts", type: "devpts", source: "devpts", options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"] },
    { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", ofSys] },
    { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: [ofCgroups, "nosuid", "noexec", "nodev"] },
    ...(namespaces.ipc.kind === "host" ? namespaces.hostMqueue ? [{ destination: "/dev/mqueue", type: "bind", source: namespaces.hostMqueue, options: ["bind", "nosuid", "noexec", "nodev"] }] : []
      : [{ destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"] }]),
    ...(shm.kind === "own" ? [{ destination: "/dev/shm", type: "tmpfs", source: "shm", options: ["nosuid", "noexec", "nodev", "mode=1777", `size=${config.shmSizeBytes || defaultShmBytes}`] }] : []),
    ...(shm.kind === "bind" ? [{ destination: "/dev/shm", type: "bind", source: shm.source, options: ["bind", "rprivate"] }] : []),
  ];
  return system.filter((m) => !targets.has(m.destination) && !(targets.has("/dev") && m.destination.startsWith("/dev/")));
}

function fileMounts({ config, files, initProgram, mounts }: BundleInputs): OciMount[] {
  const all: OciMount[] = [
    { destination: "/etc/resolv.conf", type: "bind", source: files.resolvConf, options: ["rbind", "rprivate"] },
    { destination: "/etc/hostname", type: "bind", source: files.hostname, options: ["rbind", "rprivate"] },
    { destination: "/etc/hosts", type: "bind", source: files.hosts, options: ["rbind", "rprivate"] },
    ...(config.init ? [{ destination: initPath, type: "bind", source: initProgram, options: ["bind", "ro"] }] : []),
  ];
  return all.filter((file) => !mounts.some((mount) => mount.target === file.destination));
}

function ociMount(mount: ResolvedMount): OciMount {
  if (mount.kind === "bind") {
    // A recursive propagation makes crun's whole mount recursive.
    const reach = mount.isRecursive ? ["rbind", mount.propagation] : ["bind", mount.propagation.replace(/^r/, "")];
    // A runtime too old for "rro" takes it for data, which a bind mount has none of: "ro" holds there.
    const access = mount.access === "rro" ? ["ro", "rro"] : [mount.access];
    return { destination: mount.target, type: "bind", source: mount.source, options: [...reach, ...access] };
  }
  return { destination: mount.target, type: "tmpfs", source: "tmpfs", options: tmpfsOptions(mount) };
}

/** What happens on the host below a shared or slave mount reaches the container only through a root that lets it. */
function rootPropagation(mounts: readonly ResolvedMount[]): { rootfsPropagation?: string } {
  const asked = mounts.map((mount) => (mount.kind === "bind" ? mount.propagation.replace(/^r/, "") : ""));
  return asked.includes("shared") ? { rootfsPropagation: "shared" } : asked.includes("slave") ? { rootfsPropagation: "rslave" } : {};
}

const depth = (path: string): number => path.split("/").filter((p) => p !== "").length;
