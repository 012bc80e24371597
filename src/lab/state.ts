import { execFileSync } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync, renameSync, rmSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SwarmError } from "../lib/index.js";

export const stateRoot = "/var/lib/skein-lab";
export const runRoot = "/run/skein-lab";

export type HostRole = "manager" | "worker";
export interface LabHost {
  readonly name: string; readonly role: HostRole; readonly address: string; readonly mac: string;
  /** Further arguments of this host's program alone. */
  readonly args?: readonly string[];
}

/** What lab.json holds: written before anything else of the lab exists, so that `down` knows what to sweep after any crash. */
export interface Lab {
  readonly name: string;
  /** N of 198.18.N.0/24. */
  readonly subnet: number;
  readonly createdAtMs: number;
  readonly hosts: readonly LabHost[];
  /** The program that each host runs, with "%HOST%", "%STATE%", "%RUN%", "%CGROUP%" and "%ADDR%" to be filled in. */
  readonly command: readonly string[];
}

export const labDir = (lab: string) => join(stateRoot, lab);
/** Things derived from a lab's and a host's name alone, so that they can be found again with no file at all. */
export const hostPaths = (lab: string, host: string) => ({
  disk: join(stateRoot, lab, host),
  state: join(stateRoot, lab, host, "state"),
  etc: join(stateRoot, lab, host, "etc"),
  log: join(stateRoot, lab, host, "swarmd.log"),
  run: join(runRoot, lab, host),
  pid: join(runRoot, lab, `${host}.pid`),
  cgroup: `/${cgroupOf(lab)}/${host}`,
});
export const cgroupOf = (lab: string) => `skein-lab-${lab}`;
export const bridgeOf = (lab: string) => `skl-${lab}`;
export const tableOf = (lab: string) => `skein-lab-${lab}`;
export const vethOf = (lab: Lab, host: string) => `skl${lab.subnet}-${host}`;
export const gatewayOf = (lab: Lab) => `198.18.${lab.subnet}.1`;

export function checkLabName(name: string): void {
  if (!/^[a-z][a-z0-9-]{0,9}$/.test(name)) {
    throw new SwarmError("INVALID_ARGUMENT", `Cannot name a lab "${name}": use at most 10 lower-case letters, digits and "-", a letter first`);
  }
}

/** m1… at .11 up, w1… at .21 up; with more than ten managers workers come after them. */
export function planHosts(subnet: number, managers: number, workers: number): LabHost[] {
  const host = (role: HostRole, index: number, last: number): LabHost => ({
    name: `${role === "manager" ? "m" : "w"}${index + 1}`, role, address: `198.18.${subnet}.${last}`,
    // The same after a reboot, so that neighbours need not find out.
    mac: ["02", "53", "4b", "00", subnet.toString(16).padStart(2, "0"), last.toString(16).padStart(2, "0")].join(":"),
  });
  const firstWorker = Math.max(21, 11 + managers);
  return [
    ...Array.from({ length: managers }, (_, i) => host("manager", i, 11 + i)),
    ...Array.from({ length: workers }, (_, i) => host("worker", i, firstWorker + i)),
  ];
}

export function listLabs(): Lab[] {
  if (!existsSync(stateRoot)) return [];
  return readdirSync(stateRoot).sort().flatMap((name) => readLab(name) ?? []);
}

export function readLab(name: string): Lab | undefined {
  try { return JSON.parse(readFileSync(join(labDir(name), "lab.json"), "utf8")) as Lab; } catch { return undefined; }
}

export function getLab(name: string): Lab {
  checkLabName(name);
  const lab = readLab(name);
  if (!lab) {
    const others = listLabs().map((other) => other.name);
    throw new SwarmError("NOT_FOUND", `There is no lab "${name}"${others.length > 0 ? ` (there is ${others.map((other) => `"${other}"`).join(", ")})` : ""}; make it with "swarmctl lab up --name ${name}"`);
  }
  return lab;
}

/** The hosts, those that are named with these arguments instead of those they had. */
export function withHostArgs(hosts: readonly LabHost[], args: HostArgs, lab: string): LabHost[] {
  for (const name of Object.keys(args)) {
    if (!hosts.some((host) => host.name === name)) throw new SwarmError("NOT_FOUND", `Cannot give flags to host "${name}": lab "${lab}" has ${hosts.map((host) => host.name).join(", ")}`);
  }
  return hosts.map((host) => args[host.name] === undefined ? host : { ...host, args: args[host.name]! });
}

/** Arguments for their program by host. */
export type HostArgs = Readonly<Record<string, readonly string[]>>;

export function getHost(lab: Lab, name: string): LabHost {
  const host = lab.hosts.find((candidate) => candidate.name === name);
  if (!host) throw new SwarmError("NOT_FOUND", `There is no host "${name}" in lab "${lab.name}": it has ${lab.hosts.map((candidate) => candidate.name).join(", ")}`);
  return host;
}

/** Takes the name and a subnet nobody else has, atomically, and writes lab.json. `isTaken` says which subnets the machine uses otherwise. */
export function claimLab(name: string, isTaken: (subnet: number) => boolean, build: (subnet: number) => Lab): Lab {
  checkLabName(name);
  mkdirSync(stateRoot, { recursive: true });
  try { mkdirSync(labDir(name)); } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw new SwarmError("ALREADY_EXISTS", `Cannot make lab "${name}": it exists already; use it, remove it with "swarmctl lab down --name ${name}", or choose another --name`);
  }
  for (let subnet = 1; subnet < 255; subnet++) {
    if (isTaken(subnet) || !claimSubnet(subnet, name)) continue;
    const lab = build(subnet);
    writeLab(lab);
    return lab;
  }
  rmSync(labDir(name), { recursive: true });
  throw new SwarmError("RESOURCE_EXHAUSTED", `Cannot make lab "${name}": all of 198.18.1.0/24 to 198.18.254.0/24 are in use; remove a lab with "swarmctl lab down"`);
}

export function writeLab(lab: Lab): void {
  const path = join(labDir(lab.name), "lab.json");
  writeFileSync(`${path}.new`, JSON.stringify(lab, undefined, 2));
  renameSync(`${path}.new`, path);
}

const claimsDir = join(stateRoot, ".subnets");

function claimSubnet(subnet: number, name: string): boolean {
  mkdirSync(claimsDir, { recursive: true });
  try {
    const file = openSync(join(claimsDir, String(subnet)), "wx");
    writeFileSync(file, name);
    closeSync(file);
    return true;
  } catch { return false; }
}

/** Forgets the lab: last step of `down`. */
export function releaseLab(name: string): void {
  // By a program: containers make deeper trees than Node deletes.
  execFileSync("rm", ["--recursive", "--force", "--one-file-system", "--", labDir(name), join(runRoot, name)], { stdio: ["ignore", "ignore", "pipe"] });
  if (existsSync(claimsDir)) {
    for (const subnet of readdirSync(claimsDir)) {
      const path = join(claimsDir, subnet);
      try { if (readFileSync(path, "utf8") === name) rmSync(path); } catch { /* another lab's, being made or removed */ }
    }
  }
  for (const directory of [claimsDir, stateRoot, runRoot]) try { rmdirSync(directory); } catch { /* in use by other labs */ }
}
