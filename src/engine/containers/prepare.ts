import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { arch } from "node:os";
import { join, posix } from "node:path";
import { SwarmError } from "../../lib/index.js";
import type { ContainerConfig, EngineMount } from "../api/index.js";
import type { ImageRecord } from "../images/record.js";
import type { ContainerPaths } from "../paths.js";
import { argumentsOf, ociConfig, ociJson, type JoinedNamespaces, type MountAccess, type ResolvedMount } from "../runtime/bundle.js";
import { capabilitiesOf, heldCapabilities } from "../runtime/capabilities.js";
import type { CgroupLayout } from "../runtime/cgroups.js";
import type { HostAbilities } from "../runtime/host-abilities.js";
import { ociResources, type ResourceDevices } from "../runtime/resources.js";
import type { OciConfig, Runtimes } from "../runtime/runtimes.js";
import { seccompProfile } from "../runtime/seccomp-default.js";
import { isAtLeast, translateSeccompProfile } from "../runtime/seccomp-profile.js";
import { parseSecurityOptions, type SeccompChoice } from "../runtime/security-options.js";
import type { SnapshotDriver } from "../snapshots/driver.js";
import type { HeldPaths } from "./held-paths.js";
import type { PreparedNetwork } from "./ports.js";
import type { ContainerRecord } from "./record.js";
import { readInRoot } from "./root-path.js";
import { resolveUser, type ContainerUser } from "./user.js";
import type { VolumeStore } from "../volumes/volume-store.js";

export interface PrepareParts {
  readonly runtimes: Runtimes;
  readonly layers: SnapshotDriver;
  readonly volumes: VolumeStore;
  readonly monitorPath: string;
  readonly cgroups: CgroupLayout;
  readonly host: HostAbilities;
  readonly cgroupPathOf: (id: string, parent?: string) => string;
}

const mountPropagations = ["private", "rprivate", "shared", "rshared", "slave", "rslave"];

const pathMaxBytes = 4095;
const wordMaxBytes = 131_071;

/** "/data/" and "/a/../data" are "/data". */
export const cleanTarget = (path: string): string => posix.normalize(path).replace(/(.)\/+$/, "$1");

/** A bind mount's source that is missing, a target that is relative …: before anything is made. */
export async function checkMounts(mounts: readonly EngineMount[]): Promise<void> {
  const targets = new Set<string>();
  for (const mount of mounts) {
    const target = cleanTarget(mount.target);
    if (!mount.target.startsWith("/") || target === "/") throw new SwarmError("INVALID_ARGUMENT", `mount target "${mount.target}" must be an absolute path below /`);
    const long = [mount.target, mount.type === "bind" ? mount.source : ""].find((path) => Buffer.byteLength(path) > pathMaxBytes);
    if (long !== undefined) throw new SwarmError("INVALID_ARGUMENT", `the path of a mount, "${long.slice(0, 40)}…", has ${Buffer.byteLength(long)} bytes; the kernel takes at most ${pathMaxBytes}`);
    if (targets.has(target)) throw new SwarmError("INVALID_ARGUMENT", `two mounts have the target "${target}"; give each its own`);
    targets.add(target);
    if (mount.type !== "bind") continue;
    if (!mount.source.startsWith("/")) throw new SwarmError("INVALID_ARGUMENT", `bind source "${mount.source}" must be an absolute path`);
    if (mount.propagation && !mountPropagations.includes(mount.propagation)) throw new SwarmError("INVALID_ARGUMENT", `bind propagation "${mount.propagation}" is not known; use ${mountPropagations.join(", ")}`);
    if (mount.createSource) continue;
    if (!(await stat(mount.source).catch(() => undefined))) throw new SwarmError("FAILED_PRECONDITION", `bind source "${mount.source}" does not exist on this host; create it there (a service needs it on every host that its constraints allow)`);
  }
}

/** Mounts the container's root: the image's layers below, its own writable layer on top. */
export async function mountRoot(id: string, paths: ContainerPaths, diffIds: readonly string[], parts: Pick<PrepareParts, "layers">): Promise<void> {
  await mkdir(paths.logDirectory, { recursive: true });
  await parts.layers.mount(id, diffIds, paths.rootfs);
}

/** What a container is about to start in; at creation nothing of it is there. */
export interface Surroundings { readonly network: PreparedNetwork | undefined; readonly namespaces: JoinedNamespaces; readonly devices: ResourceDevices; readonly held: HeldPaths }

type Owner = Pick<ContainerRecord, "config" | "anonymousVolumes">;

/** Fills volumes, and decides everything that the runtime is told. The root is mounted and nothing runs in it. Once at creation, which finds what is wrong, and before each start. */
export async function bundleOf({ config, anonymousVolumes }: Owner, image: ImageRecord, paths: ContainerPaths, { network, namespaces, devices, held }: Surroundings, parts: PrepareParts): Promise<OciConfig> {
  const { host } = parts;
  const user = await userOf(config.user || image.config.user, config.groups ?? [], paths.rootfs);
  checkCommand(argumentsOf(config, image.config), [...image.config.env, ...config.env]);
  const { security } = parseSecurityOptions(config.securityOptions ?? [], host);
  const capabilities = config.privileged ? heldCapabilities(host.boundingCapabilities) : capabilitiesOf(config.capAdd ?? [], config.capDrop ?? [], host.boundingCapabilities);
  return ociConfig({
    config, image: image.config, user, capabilities, security, namespaces,
    seccomp: config.privileged ? undefined : seccompOf(security.seccomp, capabilities, host),
    network: network?.namespace ?? (config.netnsPath ? { kind: "path", path: config.netnsPath } : { kind: "own" }),
    cgroupPath: parts.cgroupPathOf(config.id, config.cgroupParent),
    resources: ociResources(config, host.hasSwapLimit, devices),
    devices: devices.given,
    mounts: await resolveMounts(config, image, paths, anonymousVolumes, held, parts),
    files: { resolvConf: paths.resolvConf, hosts: paths.hosts, hostname: paths.hostname },
    initProgram: parts.monitorPath,
  });
}

/** config.json and the files that are bound into /etc. */
export async function writeBundle(record: Owner, image: ImageRecord, paths: ContainerPaths, surroundings: Surroundings, parts: PrepareParts): Promise<void> {
  const { config } = record;
  const { network } = surroundings;
  const put = async (path: string, text: string) => { await writeFile(path, text); await chmod(path, 0o644); };
  const name = config.domainname ? `${config.hostname}.${config.domainname} ${config.hostname}` : config.hostname;
  await Promise.all([
    put(paths.resolvConf, network?.resolvConf ?? config.resolvConf ?? (await readFile("/etc/resolv.conf", "utf8").catch(() => ""))),
    put(paths.hosts, network?.hosts ?? config.hosts ?? `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t${name}\n`),
    put(paths.hostname, `${config.domainname ? `${config.hostname}.${config.domainname}` : config.hostname}\n`),
    bundleOf(record, image, paths, surroundings, parts).then((spec) => parts.runtimes.adapt(spec, parts.runtimes.named(config.runtime))).then((spec) => writeFile(join(paths.bundle, "config.json"), ociJson(spec))),
  ]);
}

function seccompOf(choice: SeccompChoice, capabilities: readonly string[], host: HostAbilities): object | undefined {
  switch (choice.kind) {
    case "unconfined": return undefined;
    case "default": return seccompProfile(capabilities);
    case "profile": return translateSeccompProfile(choice.profile, { capabilities, arch: arch() === "arm64" ? "arm64" : "amd64", kernel: host.kernel });
  }
}

/** Which volumes a container gets beside those it names: the image's VOLUMEs and mounts without a name. */
export function anonymousTargets(config: ContainerConfig, image: ImageRecord): string[] {
  const covered = new Set(config.mounts.map((m) => cleanTarget(m.target)));
  return [...config.mounts.filter((m) => m.type === "volume" && m.name === "").map((m) => cleanTarget(m.target)), ...image.config.volumes.map((v) => cleanTarget(v)).filter((v) => v.startsWith("/") && v !== "/" && !covered.has(v))];
}

async function resolveMounts(config: ContainerConfig, image: ImageRecord, paths: ContainerPaths, anonymousVolumes: readonly string[], held: HeldPaths, { volumes, host }: Pick<PrepareParts, "volumes" | "host">): Promise<ResolvedMount[]> {
  const resolved: ResolvedMount[] = [];
  const targets = anonymousTargets(config, image);
  const volume = async (name: string, target: string, mount: VolumeMount | undefined) => {
    const whole = await volumes.ensure(name, mount?.noCopy ? undefined : { rootfs: paths.rootfs, target }, {
      containerId: config.id, target, isReadOnly: mount?.readOnly ?? false, isAnonymous: !mount?.name,
      ...(mount?.driver ? { driver: mount.driver } : {}), ...(mount?.driverOptions ? { options: mount.driverOptions } : {}), ...(mount?.labels ? { labels: mount.labels } : {}),
    });
    const source = mount?.subpath ? await withinVolume(whole, mount.subpath, name, held) : whole;
    resolved.push({ kind: "bind", source, target, access: await accessOf(source, mount ?? { readOnly: false }, host), propagation: "rprivate", isRecursive: true });
  };
  for (const mount of config.mounts) {
    const target = cleanTarget(mount.target);
    switch (mount.type) {
      case "bind":
        if (mount.createSource) await mkdir(mount.source, { recursive: true });
        resolved.push({ kind: "bind", source: mount.source, target, access: await accessOf(mount.source, mount, host), propagation: mount.propagation || "rprivate", isRecursive: !mount.isNonRecursive });
        break;
      case "tmpfs": resolved.push({ kind: "tmpfs", ...mount, target }); break;
      case "volume": if (mount.name !== "") await volume(mount.name, target, mount); break;
    }
  }
  for (const [i, target] of targets.entries()) {
    const asked = config.mounts.find((m) => cleanTarget(m.target) === target);
    await volume(anonymousVolumes[i]!, target, asked?.type === "volume" ? asked : undefined);
  }
  return resolved;
}

/** mount_setattr(2) reaches what is mounted below since Linux 5.12. Below a file nothing is, and crun refuses to look there. */
async function accessOf(source: string, mount: Pick<Extract<EngineMount, { type: "bind" }>, "readOnly" | "readOnlyDepth" | "isNonRecursive">, { kernel }: Pick<HostAbilities, "kernel">): Promise<MountAccess> {
  if (!mount.readOnly) return "rw";
  const isAble = isAtLeast(kernel, "5.12");
  if (mount.readOnlyDepth === "whole" && !isAble) throw new SwarmError("FAILED_PRECONDITION", `a mount is to be read-only with all below it, which takes Linux 5.12; this kernel is ${kernel}`);
  if (!isAble || mount.readOnlyDepth === "top" || mount.isNonRecursive) return "ro";
  return (await stat(source).catch(() => undefined))?.isDirectory() ? "rro" : "ro";
}

/** execve(2): MAX_ARG_STRLEN for each word, PATH_MAX for the program. The runtime would say it again with the whole word. */
function checkCommand([program, ...args]: readonly string[], env: readonly string[]): void {
  const refuse = (why: string): never => { throw new SwarmError("INVALID_ARGUMENT", why); };
  if (program === undefined) return refuse("the image names no command; give one");
  if (Buffer.byteLength(program) > pathMaxBytes) refuse(`its command's name has ${Buffer.byteLength(program)} bytes; the kernel takes at most ${pathMaxBytes}`);
  for (const [what, words] of [["argument", args], ["variable", env]] as const) {
    const long = words.find((word) => Buffer.byteLength(word) > wordMaxBytes);
    if (long !== undefined) refuse(`one ${what}, "${long.slice(0, 40)}…", has ${Buffer.byteLength(long)} bytes; the kernel takes at most ${wordMaxBytes}; put the contents into a file`);
  }
}

type VolumeMount = Extract<EngineMount, { type: "volume" }>;

/** Links inside a volume lead nowhere outside it. */
async function withinVolume(volume: string, subpath: string, name: string, held: HeldPaths): Promise<string> {
  if (subpath.startsWith("/") || subpath.split("/").includes("..")) throw new SwarmError("INVALID_ARGUMENT", `the path "${subpath}" in volume "${name}" must be relative and below it`);
  const path = await held.hold(volume, subpath);
  if (path === undefined) throw new SwarmError("FAILED_PRECONDITION", `the path "${subpath}" is not in volume "${name}"; create it there first`);
  return path;
}

/** The user and groups that a name or number means in the container's own /etc/passwd and /etc/group. */
export async function userOf(user: string, groups: readonly string[], rootfs: string): Promise<ContainerUser> {
  return resolveUser(user, groups, await readInRoot(rootfs, "/etc/passwd"), await readInRoot(rootfs, "/etc/group"));
}
