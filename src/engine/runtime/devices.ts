import { lstat, readdir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { SwarmError } from "../../lib/index.js";
import type { ContainerConfig, DeviceMapping } from "../api/index.js";
import type { ResourceDevices } from "./resources.js";

/** A device of the host as the container sees it. */
export interface DeviceNode {
  readonly path: string;
  readonly type: "c" | "b";
  readonly major: number;
  readonly minor: number;
  readonly fileMode: number;
  readonly uid: number;
  readonly gid: number;
}

// What a container has of its own, and what holds no devices.
const leftOut = new Set(["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev", "console", "net"]);

/** Looks up the devices that a container is given and those that its limits name. */
export async function findDevices(config: ContainerConfig): Promise<ResourceDevices> {
  const block = new Map<string, { major: number; minor: number }>();
  for (const path of new Set([...(config.resources?.blkioWeightDevices ?? []), ...(config.resources?.blkioThrottle ?? [])].map((d) => d.path))) {
    const device = await nodeAt(path, path) ?? refuse(`"${path}" is no device of this host, so its block I/O cannot be limited; name a block device such as /dev/sda`);
    block.set(path, device);
  }
  if (config.privileged) return { block, given: (await devicesBelow("/dev", "/dev")).map((node) => ({ ...node, permissions: "rwm" })) };
  const given = (await Promise.all((config.devices ?? []).map(mapped))).flat();
  return { block, given };
}

/** The OCI runtime's linux.devices. */
export const ociDevices = (given: ResourceDevices["given"]): object[] => given.map(({ permissions: _, ...node }) => node);

const refuse = (why: string): never => { throw new SwarmError("FAILED_PRECONDITION", why); };

async function mapped({ source, target, permissions }: DeviceMapping): Promise<(DeviceNode & { permissions: string })[]> {
  const within = target || source;
  const found = await realpath(source).then((path) => stat(path).then((status) => ({ path, status })), () => undefined);
  if (!found) return refuse(`device "${source}" is not on this host; check its path`);
  if (found.status.isDirectory()) {
    const below = await devicesBelow(found.path, within);
    if (below.length === 0) refuse(`"${source}" holds no device; name a device or a directory of devices`);
    return below.map((node) => ({ ...node, permissions: permissions || "rwm" }));
  }
  const node = await nodeAt(found.path, within) ?? refuse(`"${source}" is no device; mount it as a volume to have the file`);
  return [{ ...node, permissions: permissions || "rwm" }];
}

async function nodeAt(path: string, target: string): Promise<DeviceNode | undefined> {
  const status = await stat(path).catch(() => undefined);
  if (!status || (!status.isCharacterDevice() && !status.isBlockDevice())) return undefined;
  return { path: target, type: status.isBlockDevice() ? "b" : "c", ...deviceNumbers(status.rdev), fileMode: status.mode & 0o7777, uid: status.uid, gid: status.gid };
}

async function devicesBelow(directory: string, target: string): Promise<DeviceNode[]> {
  const nodes: DeviceNode[] = [];
  for (const name of (await readdir(directory)).sort()) {
    if (leftOut.has(name)) continue;
    const status = await lstat(join(directory, name)).catch(() => undefined);
    if (status?.isDirectory()) nodes.push(...await devicesBelow(join(directory, name), join(target, name)));
    else if (status?.isCharacterDevice() || status?.isBlockDevice()) { const node = await nodeAt(join(directory, name), join(target, name)); if (node) nodes.push(node); }
  }
  return nodes;
}

/** makedev(3) backwards: 12 bits of major and 8 of minor, the rest of each above 32 and above 12 bits. */
export function deviceNumbers(rdev: number): { major: number; minor: number } {
  const high = Math.floor(rdev / 2 ** 32);
  const low = rdev >>> 0;
  return { major: ((low >>> 8) & 0xfff) | (high & ~0xfff), minor: (low & 0xff) | ((low >>> 12) & ~0xff) };
}
