import { lookup } from "node:dns/promises";
import { chmod, mkdir, readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { join } from "node:path";
import { SwarmError } from "../../lib/index.js";
import { mountsBelow } from "../runtime/mountinfo.js";
import { unmount } from "../runtime/mounts.js";
import { runProgram } from "../runtime/program.js";
import type { VolumeDriver, VolumeRecord } from "./driver.js";

const mountTimeoutMs = 60_000;

/** Docker's local driver: a directory `_data`; with the options type, o and device (those of mount(8)) a file system that is mounted there while it is used. */
export const localDriver: VolumeDriver = {
  name: "local",

  check(options) {
    const refuse = (why: string): never => { throw new SwarmError("INVALID_ARGUMENT", why); };
    for (const key of Object.keys(options)) if (!["type", "o", "device", "size"].includes(key)) refuse(`option "${key.slice(0, 100)}" is not known to driver local; it has type, o and device`);
    if (options["size"]) refuse("option size needs quotas, which driver local does not have; for a tmpfs write o=size=100m");
    const { type, device, o } = options;
    if (!type && !device && !o) return;
    if (!device) refuse(`a device is missing beside ${type ? "type" : "o"}; for a tmpfs write device=tmpfs`);
    if (!type) refuse("a type is missing beside device; for a directory write type=none and o=bind");
    if ([type, device, o].some((value) => value?.includes("\0"))) refuse("options cannot hold zero bytes");
    if (isBind(options) && !device!.startsWith("/")) refuse(`device "${device}" must be an absolute path for o=bind`);
  },

  async create(_volume, directory) {
    const data = join(directory, "_data");
    await mkdir(data, { recursive: true });
    await chmod(data, 0o755);
  },
  remove: async () => {},
  mountpoint: (_volume, directory) => join(directory, "_data"),
  needsMount: ({ options }) => Boolean(options["device"]),
  async isMounted(_volume, directory) { return mountsBelow(await readFile("/proc/self/mountinfo", "utf8"), directory).includes(join(directory, "_data")); },

  async mount({ name, options }, directory) {
    const flags = await resolvedOptions(options);
    // -i: the kernel's own mount, no helper program, as Docker mounts NFS.
    const result = await runProgram("mount", ["-i", "-t", options["type"]!, ...(flags ? ["-o", flags] : []), "--", options["device"]!, join(directory, "_data")], { timeoutMs: mountTimeoutMs });
    if (result.code === 0) return;
    const why = result.isTimedOut ? `it took more than ${mountTimeoutMs / 1000} s` : result.stderr.trim().split("\n")[0]?.replace(/^mount: [^:]*: /, "") || `mount failed with code ${result.code}`;
    throw new SwarmError("FAILED_PRECONDITION", `volume "${name}" cannot be mounted (type ${options["type"]}, device ${options["device"]}): ${why}`);
  },

  async unmount(_volume: VolumeRecord, directory) { await unmount(join(directory, "_data")); },
};

const isBind = (options: Readonly<Record<string, string>>): boolean => (options["o"] ?? "").split(",").some((option) => option === "bind" || option === "rbind");

/** The kernel takes addresses only, where people write NFS servers' names. */
async function resolvedOptions(options: Readonly<Record<string, string>>): Promise<string> {
  const flags = options["o"] ?? "";
  const server = /(?:^|,)addr=([^,]+)/.exec(flags)?.[1];
  if (!server || isIP(server) !== 0) return flags;
  const { address } = await lookup(server).catch((error: unknown) => { throw new SwarmError("UNAVAILABLE", `server "${server}" of the volume does not resolve`, { cause: error }); });
  return flags.replace(`addr=${server}`, `addr=${address}`);
}
