import { SwarmError } from "../../lib/index.js";
import { isDeviceWord, newResources, problemOfGenericKind, type GenericResource, type GpuRequest, type Resources } from "../../model/index.js";
import { parseKeyValue } from "./key-value.js";
import { parseCount, parseCpus } from "./number.js";
import { parseSize } from "./size.js";

/** "fpga=2" */
export function parseGenericResource(text: string, flag: string): GenericResource {
  const [kind, count] = parseKeyValue(text, flag, "KIND=N, such as fpga=2");
  const problem = problemOfGenericKind(kind);
  if (problem) throw new SwarmError("INVALID_ARGUMENT", `Cannot read "${text}" of ${flag}: ${problem}.`);
  return { kind, count: parseCount(count, `${flag} ${kind}=`, { min: 1, max: 1_000_000 }), ids: [] };
}

/** A list of them; of one kind named twice the last counts. */
export const parseGenericResources = (texts: readonly string[], flag: string): GenericResource[] =>
  [...new Map(texts.map((text) => parseGenericResource(text, flag)).map((resource) => [resource.kind, resource])).values()];

/** "2", "0.5", "1:A100|G2", "0.25:T4", "none" → what a task asks for; null for nothing. */
export function parseGpu(text: string, flag: string): GpuRequest | null {
  const refuse = (why: string) => new SwarmError("INVALID_ARGUMENT", `Cannot read "${text}" of ${flag}: ${why}.`);
  const colon = text.indexOf(":");
  const amount = (colon < 0 ? text : text.slice(0, colon)).trim();
  const models = colon < 0 ? [] : text.slice(colon + 1).split("|").map((model) => model.trim());
  if ((amount === "none" || amount === "0") && models.length === 0) return null;
  const unfit = models.find((model) => !isDeviceWord(model));
  if (unfit !== undefined) throw refuse(unfit === "" ? 'a model is empty; write for example 1:A100, or several with "|" between them' : `"${unfit}" is no model of a GPU`);
  if (!/^\d+(?:\.\d+)?$/.test(amount)) throw refuse("write a number of GPUs, a share of one, or either with models: 2, 0.5, 1:A100|G2");
  const number = Number(amount);
  if (Number.isInteger(number)) return { count: parseCount(String(number), flag, { min: 1, max: 64 }), millis: 0, models };
  if (number > 1) throw refuse("a share is of one GPU; write a whole number, or a share below 1");
  const millis = Math.round(number * 1_000);
  if (Math.abs(millis - number * 1_000) > 1e-6 || millis < 1) throw refuse("a share has at most three decimals, and the least is 0.001");
  return { count: 1, millis, models };
}

/** "cpu=40,memory=100g,gpu=8,disk=1t,pids=1000,generic.fpga=2": amounts by their words. Keys of `other` are left to the caller. */
export function parseAmounts(text: string, flag: string, other: Readonly<Record<string, (value: string) => void>> = {}): Resources {
  let resources = newResources();
  const seen = new Set<string>();
  for (const field of text.split(",")) {
    const [key, value] = parseKeyValue(field.trim(), flag, "amounts such as cpu=40,memory=100g");
    const at = `${flag} ${key}=`;
    if (seen.has(key)) throw new SwarmError("INVALID_ARGUMENT", `Cannot read "${text}" of ${flag}: "${key}" is given twice; give it once.`);
    seen.add(key);
    if (Object.hasOwn(other, key)) { other[key]!(value); continue; }
    if (key === "cpu") resources = { ...resources, cpuMillis: parseCpus(value, at) };
    else if (key === "memory") resources = { ...resources, memoryBytes: parseSize(value, at) };
    else if (key === "disk") resources = { ...resources, diskBytes: parseSize(value, at) };
    else if (key === "pids") resources = { ...resources, pids: parseCount(value, at) };
    else if (key === "gpu") resources = { ...resources, gpu: { count: parseCount(value, at), millis: 0, models: [] } };
    else if (key.startsWith("generic.") && key.length > "generic.".length) resources = { ...resources, generic: [...resources.generic, parseGenericResource(`${key.slice("generic.".length)}=${value}`, flag)] };
    else throw new SwarmError("INVALID_ARGUMENT", `Cannot read "${text}" of ${flag}: "${key}" is not one of its keys: write cpu, memory, gpu, disk, pids, generic.KIND${Object.keys(other).map((word) => `, ${word}`).join("")}.`);
  }
  return resources;
}
