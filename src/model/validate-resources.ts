import type { GenericResource, GpuRequest, Resources, TaskSpec } from "./types.js";
import { bytesText, first, firstOf, type Problem } from "./validate.js";

export const minMemoryBytes = 4 * 2 ** 20;

const maxKinds = 50;
const maxUnits = 1_000_000;
const maxGpus = 64;
const mostPids = 4_194_304; // PID_MAX_LIMIT of 64-bit kernels (include/linux/threads.h)
const mostBytes = 2 ** 50;

/** What a task reserves or is limited to. */
export function problemOfResources(kind: "reservation" | "limit", resources: Resources): Problem {
  return first(
    () => problemOfCpuMemoryPids(kind, resources),
    () => (kind === "limit" ? problemOfUnlimited(resources) : undefined),
    () => problemOfDisk(kind, resources.diskBytes),
    () => problemOfKinds(resources.generic, problemOfGenericRequest),
    () => (resources.gpus.length > 0 ? "a task does not name devices; ask for a number of GPUs, or a share of one" : undefined),
    () => resources.gpu ? problemOfGpuRequest(resources.gpu) : undefined,
  );
}

function problemOfCpuMemoryPids(kind: "reservation" | "limit", { cpuMillis, memoryBytes, pids }: Resources): Problem {
  // A thousandth of a core is the smallest amount that the API can name: 0 is "none", so only negative amounts are too small.
  if (Number.isNaN(cpuMillis) || cpuMillis < 0) return `the CPU ${kind} is ${cpuMillis / 1000}; the least is 0.001`;
  if (cpuMillis > 1e9) return `the CPU ${kind} of ${cpuMillis / 1000} cores is more than any host has`;
  if (!Number.isInteger(cpuMillis)) return `the CPU ${kind} is ${cpuMillis} thousandths of a core; give a whole number of them`;
  if (Number.isNaN(memoryBytes) || memoryBytes < 0) return `the memory ${kind} is negative; the least is 4 MiB`;
  if (memoryBytes > 0 && memoryBytes < minMemoryBytes) return `the memory ${kind} of ${bytesText(memoryBytes)} is too small to run anything; the least is 4 MiB`;
  if (memoryBytes > mostBytes) return `the memory ${kind} of ${bytesText(memoryBytes)} is more than any host has`;
  if (!Number.isInteger(memoryBytes)) return `the memory ${kind} is ${memoryBytes} bytes; give a whole number of them`;
  if (!Number.isInteger(pids) || pids < 0) return `the pids ${kind} is ${pids}; it cannot be negative`;
  return pids > mostPids ? `the pids ${kind} of ${pids} is more than any host has (${mostPids})` : undefined;
}

/** What the kernel cannot hold a task to. */
function problemOfUnlimited({ diskBytes, generic, gpu }: Resources): Problem {
  const what = diskBytes !== 0 ? "disk space is" : generic.length > 0 ? "generic resources are" : gpu ? "GPUs are" : undefined;
  return what === undefined ? undefined : `${what} reserved, not limited; move that into the reservations`;
}

function problemOfDisk(kind: string, diskBytes: number): Problem {
  if (!Number.isInteger(diskBytes) || diskBytes < 0) return `the disk ${kind} is ${diskBytes} bytes; it cannot be negative`;
  return diskBytes > mostBytes ? `the disk ${kind} of ${bytesText(diskBytes)} is more than any host has` : undefined;
}

/** A kind is a word of people: "fpga", "NVIDIA-licence". It becomes part of a variable's name. */
export function problemOfGenericKind(kind: string): Problem {
  if (kind === "") return "a generic resource has no kind; write KIND=COUNT, such as fpga=2";
  return /^[a-zA-Z][a-zA-Z0-9_.-]{0,62}$/.test(kind) ? undefined : `"${kind.slice(0, 80)}" is no kind of generic resource; use a letter, then up to 62 letters, digits, "-", "_" and "."`;
}

function problemOfKinds(generic: readonly GenericResource[], check: (resource: GenericResource) => Problem): Problem {
  if (generic.length > maxKinds) return `${generic.length} kinds of generic resources are more than the limit of ${maxKinds}`;
  const seen = new Set<string>();
  return firstOf(generic, (resource) => {
    if (seen.has(resource.kind)) return `generic resource "${resource.kind}" is named twice; name it once`;
    seen.add(resource.kind);
    return problemOfGenericKind(resource.kind) ?? check(resource);
  });
}

function problemOfGenericRequest({ kind, count, ids }: GenericResource): Problem {
  if (ids.length > 0) return `a task asks for a number of "${kind}", not for ${ids.length === 1 ? `"${ids[0]!.slice(0, 80)}"` : "named ones"}; which they are is decided with its node`;
  return problemOfUnits(`the number of "${kind}"`, count);
}

function problemOfUnits(subject: string, count: number): Problem {
  if (!Number.isInteger(count) || count < 1) return `${subject} is ${count}; give a whole number from 1 to ${maxUnits}`;
  return count > maxUnits ? `${subject} is ${count}, more than the limit of ${maxUnits}` : undefined;
}

function problemOfGpuRequest({ count, millis, models }: GpuRequest): Problem {
  if (!Number.isInteger(count) || count < 1) return `the number of GPUs is ${count}; give one from 1 to ${maxGpus}, or leave GPUs out`;
  if (count > maxGpus) return `${count} GPUs are more than any host has (${maxGpus})`;
  if (!Number.isInteger(millis) || millis < 0 || millis > 999) return `the share of a GPU is ${millis} thousandths; give 1 to 999, or 0 for whole devices`;
  if (millis > 0 && count > 1) return `it asks for a share of ${millis / 1000} of ${count} GPUs; a share is of one device: ask for whole ones or for a share of one`;
  return problemOfModels(models);
}

function problemOfModels(models: readonly string[]): Problem {
  if (models.length > maxKinds) return `${models.length} models of GPUs are more than the limit of ${maxKinds}`;
  const seen = new Set<string>();
  return firstOf(models, (model) => {
    if (!isDeviceWord(model)) return `"${model.slice(0, 80)}" is no model of a GPU; use up to 100 letters, digits, blanks, "-", "_" and ".", as "swarmctl node inspect" shows it`;
    if (seen.has(model.toLowerCase())) return `the GPU model "${model}" is named twice; name it once`;
    seen.add(model.toLowerCase());
    return undefined;
  });
}

/** A model or a device's id. Separators of the command line's forms and of lists of devices cannot be in it. */
export const isDeviceWord = (text: string): boolean => /^[a-zA-Z0-9](?:[a-zA-Z0-9 _./-]{0,98}[a-zA-Z0-9])?$/.test(text);

export function problemOfReservationAboveLimit({ reservations, limits }: TaskSpec): Problem {
  if (!reservations || !limits) return undefined;
  if (limits.cpuMillis > 0 && reservations.cpuMillis > limits.cpuMillis) return `it reserves ${reservations.cpuMillis / 1000} CPUs and is limited to ${limits.cpuMillis / 1000}; reserve no more than the limit`;
  if (limits.memoryBytes > 0 && reservations.memoryBytes > limits.memoryBytes) return `it reserves ${bytesText(reservations.memoryBytes)} of memory and is limited to ${bytesText(limits.memoryBytes)}; reserve no more than the limit`;
  if (limits.pids > 0 && reservations.pids > limits.pids) return `it reserves ${reservations.pids} pids and is limited to ${limits.pids}; reserve no more than the limit`;
  return undefined;
}

/** A project's quota: amounts of which 0 is no limit, and so of any size. */
export function problemOfQuotaAmounts(limits: Resources): Problem {
  for (const [word, amount] of [["CPU", limits.cpuMillis], ["memory", limits.memoryBytes], ["pids", limits.pids], ["disk", limits.diskBytes], ["GPU", limits.gpu?.count ?? 0]] as const) {
    if (!Number.isSafeInteger(amount) || amount < 0) return `its ${word} limit is ${amount}; give 0 (no limit) or more`;
  }
  if (limits.gpus.length > 0 || (limits.gpu && (limits.gpu.millis > 0 || limits.gpu.models.length > 0))) return "its GPU limit is a number of whole devices of any model; leave shares, models and device names out";
  return problemOfKinds(limits.generic, problemOfGenericRequest);
}
