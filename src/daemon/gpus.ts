import { existsSync } from "node:fs";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { isDeviceWord, type GpuDevice } from "../model/index.js";

/** One NVIDIA device as its kernel driver shows it. */
export interface DetectedGpu { readonly id: string; readonly model: string; readonly minor: number }

const driverDir = "/proc/driver/nvidia";

/** The devices of this host, by number; none where the driver is not loaded. */
export async function detectGpus(directory = driverDir): Promise<DetectedGpu[]> {
  const names = await readdir(join(directory, "gpus")).catch(() => []);
  const texts = await Promise.all(names.map((name) => readFile(join(directory, "gpus", name, "information"), "utf8").catch(() => "")));
  return texts.flatMap((text) => parseGpuInformation(text) ?? []).sort((a, b) => a.minor - b.minor);
}

/** "gpus/0000:01:00.0/information"; undefined for what names no device. A device whose driver has not started yet shows "?" for its UUID. */
export function parseGpuInformation(text: string): DetectedGpu | undefined {
  const fields = new Map(text.split("\n").map((line) => { const at = line.indexOf(":"); return [line.slice(0, at).trim(), line.slice(at + 1).trim()] as const; }));
  const number = fields.get("Device Minor") ?? "";
  if (!/^\d{1,4}$/.test(number)) return undefined;
  const uuid = fields.get("GPU UUID") ?? "";
  const model = (fields.get("Model") ?? "").replace(/^NVIDIA\s+/i, "").replace(/[^a-zA-Z0-9 _./-]+/g, "-").replace(/^[^a-zA-Z0-9]+|[^a-zA-Z0-9]+$/g, "");
  return { id: isDeviceWord(uuid) ? uuid : number, model: isDeviceWord(model) ? model : "NVIDIA", minor: Number(number) };
}

/** What the node offers: what its command line says, or else what was found. */
export const offeredGpus = (named: readonly GpuDevice[] | undefined, detected: readonly DetectedGpu[]): GpuDevice[] =>
  named ? [...named] : detected.map(({ id, model }) => ({ id, model, memoryBytes: 0 }));

/** The version of the driver: "535.104.05"; undefined without one. */
export async function gpuDriverVersion(directory = driverDir): Promise<string | undefined> {
  const text = await readFile(join(directory, "version"), "utf8").catch(() => "");
  return /\s(\d+\.\d+(?:\.\d+)?)\s/.exec(text)?.[1];
}

const sharedNodes = ["/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia-modeset"];

/**
 * The device nodes that a task with these GPUs needs, of those that are there: each device's own and the driver's. An id of the command line
 * that the driver does not know is taken for a device's number where it is one.
 */
export async function gpuDeviceNodes(ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return [];
  const minors = new Map((await detectGpus()).map(({ id, minor }) => [id, minor]));
  return deviceNodesOf(ids, minors, existsSync);
}

export function deviceNodesOf(ids: readonly string[], minors: ReadonlyMap<string, number>, exists: (path: string) => boolean): string[] {
  const own = ids.flatMap((id) => minors.get(id) ?? (/^\d{1,4}$/.test(id) ? Number(id) : [])).map((minor) => `/dev/nvidia${minor}`).filter(exists);
  return own.length === 0 ? [] : [...own, ...sharedNodes.filter(exists)];
}
