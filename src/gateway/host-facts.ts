import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { cpus } from "node:os";
import { createHash } from "node:crypto";

/** Of the host that the daemon runs on, read once. */
export interface HostFacts {
  readonly id: string;
  readonly hostname: string;
  /** "Debian GNU/Linux 12 (bookworm)" */
  readonly operatingSystem: string;
  readonly osVersion: string;
  readonly cpus: number;
  /** Names of the security features that are on: "name=seccomp,profile=builtin". */
  readonly securityOptions: readonly string[];
  readonly hasSwapLimit: boolean;
  readonly isIpForwardingOn: boolean;
}

export async function readHostFacts(name: string | undefined, stateDir: string): Promise<HostFacts> {
  const text = (path: string) => readFile(path, "utf8").then((t) => t.trim(), () => "");
  const release = Object.fromEntries((await text("/etc/os-release")).split("\n").map((line) => { const at = line.indexOf("="); return [line.slice(0, at), line.slice(at + 1).replace(/^"|"$/g, "")]; })) as Record<string, string>;
  const machine = await text("/etc/machine-id");
  return {
    // Stable and unique for this daemon, without telling the machine's own id.
    id: createHash("sha256").update(`${machine}:${stateDir}`).digest("hex").slice(0, 36).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, "$1-$2-$3-$4-$5"),
    hostname: name ?? hostname(), operatingSystem: release.PRETTY_NAME ?? "Linux", osVersion: release.VERSION_ID ?? "", cpus: cpus().length,
    securityOptions: ["name=seccomp,profile=builtin"],
    hasSwapLimit: (await text("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes")) !== "" || (await text("/sys/fs/cgroup/cgroup.controllers")).includes("memory"),
    isIpForwardingOn: (await text("/proc/sys/net/ipv4/ip_forward")) === "1",
  };
}
