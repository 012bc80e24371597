import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join, posix, relative } from "node:path";
import { SwarmError } from "../../lib/index.js";
import type { ContainerConfig, EngineMount } from "../api/index.js";
import type { ImageRecord } from "../images/record.js";
import type { ContainerPaths } from "../paths.js";
import { argumentsOf, ociConfig, processOf, environmentOf, type ResolvedMount } from "../runtime/bundle.js";
import { capabilitiesOf } from "../runtime/capabilities.js";
import type { CgroupLayout } from "../runtime/cgroups.js";
import { mountOverlay } from "../runtime/mounts.js";
import { ociResources } from "../runtime/resources.js";
import type { LayerStore } from "../snapshots/layers.js";
import type { PreparedNetwork } from "./ports.js";
import type { ContainerRecord } from "./record.js";
import { readInRoot } from "./root-path.js";
import { resolveUser, type ContainerUser } from "./user.js";
import type { VolumeStore } from "./volumes.js";

export interface PrepareParts {
  readonly layers: LayerStore;
  readonly volumes: VolumeStore;
  readonly monitorPath: string;
  readonly cgroups: CgroupLayout;
  readonly hasSwapLimit: boolean;
  readonly boundingCapabilities: bigint;
  readonly cgroupPathOf: (id: string, parent?: string) => string;
}

const mountPropagations = ["private", "rprivate", "shared", "rshared", "slave", "rslave"];

/** A bind mount's source that is missing, a target that is relative …: before anything is made. */
export async function checkMounts(mounts: readonly EngineMount[]): Promise<void> {
  const targets = new Set<string>();
  for (const mount of mounts) {
    const target = posix.normalize(mount.target);
    if (!mount.target.startsWith("/") || target === "/") throw new SwarmError("INVALID_ARGUMENT", `mount target "${mount.target}" must be an absolute path below /`);
    if (targets.has(target)) throw new SwarmError("INVALID_ARGUMENT", `two mounts have the target "${target}"; give each its own`);
    targets.add(target);
    if (mount.type !== "bind") continue;
    if (!mount.source.startsWith("/")) throw new SwarmError("INVALID_ARGUMENT", `bind source "${mount.source}" must be an absolute path`);
    if (mount.propagation && !mountPropagations.includes(mount.propagation)) throw new SwarmError("INVALID_ARGUMENT", `bind propagation "${mount.propagation}" is not known; use ${mountPropagations.join(", ")}`);
    if (!(await stat(mount.source).catch(() => undefined))) throw new SwarmError("FAILED_PRECONDITION", `bind source "${mount.source}" does not exist on this host; create it, or keep the container off this host with a constraint`);
  }
}

/** Mounts the container's root: the image's layers below, its own writable layer on top. */
export async function mountRoot(paths: ContainerPaths, diffIds: readonly string[], parts: Pick<PrepareParts, "layers">): Promise<void> {
  for (const directory of [paths.upper, paths.work, paths.logDirectory, paths.rootfs]) await mkdir(directory, { recursive: true });
  await chmod(paths.upper, 0o755);   // the container's "/", whatever this process's umask
  // Relative paths: before Linux 6.5 mount options are one page, and "," or ":" in the state directory's name would need escapes.
  const directory = parts.layers.directory;
  await mountOverlay({ target: paths.rootfs, directory, lower: parts.layers.lowerDirs(diffIds).split(":"), upper: relative(directory, paths.upper), work: relative(directory, paths.work) });
}

/** Writes config.json and the files that are bound into /etc; fills volumes. The root is mounted and nothing runs in it. Before each start, and once at creation, which finds what is wrong. */
export async function writeBundle(record: Pick<ContainerRecord, "config" | "anonymousVolumes">, image: ImageRecord, paths: ContainerPaths, network: PreparedNetwork | undefined, parts: PrepareParts): Promise<void> {
  const { config, anonymousVolumes } = record;
  const user = await userOf(config.user || image.config.user, config.groups ?? [], paths.rootfs);
  if (argumentsOf(config, image.config).length === 0) throw new SwarmError("INVALID_ARGUMENT", "the image names no command; give one");
  const files = { resolvConf: paths.resolvConf, hosts: paths.hosts, hostname: paths.hostname };
  await Promise.all([
    writeFile(files.resolvConf, network?.resolvConf ?? config.resolvConf ?? (await readFile("/etc/resolv.conf", "utf8").catch(() => ""))),
    writeFile(files.hosts, network?.hosts ?? config.hosts ?? `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t${config.hostname}\n`),
    writeFile(files.hostname, `${config.hostname}\n`),
  ]);
  await Promise.all(Object.values(files).map((path) => chmod(path, 0o644)));
  const spec = ociConfig({
    config, image: image.config, user, files,
    capabilities: capabilitiesOf(config.capAdd ?? [], config.capDrop ?? [], parts.boundingCapabilities),
    network: network?.namespace ?? (config.netnsPath ? { kind: "path", path: config.netnsPath } : { kind: "own" }),
    cgroupPath: parts.cgroupPathOf(config.id, config.cgroupParent),
    resources: ociResources(config.limits, config.reservations, parts.hasSwapLimit),
    mounts: await resolveMounts(config, image, paths, anonymousVolumes, parts.volumes),
    isCgroupV2: parts.cgroups.kind === "v2",
    initProgram: parts.monitorPath,
  });
  await writeFile(join(paths.bundle, "config.json"), JSON.stringify(spec));
}

/** process.json for an exec in this container. */
export async function execProcess(config: ContainerConfig, image: ImageRecord, options: { command: readonly string[]; user?: string; env?: readonly string[] }, paths: ContainerPaths, boundingCapabilities: bigint): Promise<object> {
  const bundle = JSON.parse(await readFile(join(paths.bundle, "config.json"), "utf8")) as { process: { env: string[]; user: { uid: number; gid: number; additionalGids: number[] } } };
  const user = options.user ? await userOf(options.user, [], paths.rootfs) : { ...bundle.process.user, home: "/" };
  return processOf({ config, image: image.config, capabilities: capabilitiesOf(config.capAdd ?? [], config.capDrop ?? [], boundingCapabilities) }, options.command, environmentOf(bundle.process.env, options.env ?? []), user, false);
}

/** Which volumes a container gets beside those it names: the image's VOLUMEs and mounts without a name. */
export function anonymousTargets(config: ContainerConfig, image: ImageRecord): string[] {
  const covered = new Set(config.mounts.map((m) => posix.normalize(m.target)));
  return [...config.mounts.filter((m) => m.type === "volume" && m.name === "").map((m) => posix.normalize(m.target)), ...image.config.volumes.map((v) => posix.normalize(v)).filter((v) => v.startsWith("/") && v !== "/" && !covered.has(v))];
}

async function resolveMounts(config: ContainerConfig, image: ImageRecord, paths: ContainerPaths, anonymousVolumes: readonly string[], volumes: VolumeStore): Promise<ResolvedMount[]> {
  const resolved: ResolvedMount[] = [];
  const targets = anonymousTargets(config, image);
  const volume = async (name: string, target: string, readOnly: boolean, noCopy: boolean) => {
    const source = await volumes.ensure(name, noCopy ? undefined : { rootfs: paths.rootfs, target });
    resolved.push({ kind: "bind", source, target, readOnly, propagation: "rprivate" });
  };
  for (const mount of config.mounts) {
    const target = posix.normalize(mount.target);
    switch (mount.type) {
      case "bind": resolved.push({ kind: "bind", source: mount.source, target, readOnly: mount.readOnly, propagation: mount.propagation || "rprivate" }); break;
      case "tmpfs": resolved.push({ kind: "tmpfs", target, sizeBytes: mount.sizeBytes, mode: mount.mode }); break;
      case "volume": if (mount.name !== "") await volume(mount.name, target, mount.readOnly, mount.noCopy ?? false); break;
    }
  }
  for (const [i, target] of targets.entries()) {
    const asked = config.mounts.find((m) => posix.normalize(m.target) === target);
    await volume(anonymousVolumes[i]!, target, asked?.type === "volume" && asked.readOnly, asked?.type === "volume" && (asked.noCopy ?? false));
  }
  return resolved;
}

async function userOf(user: string, groups: readonly string[], rootfs: string): Promise<ContainerUser> {
  return resolveUser(user, groups, await readInRoot(rootfs, "/etc/passwd"), await readInRoot(rootfs, "/etc/group"));
}
