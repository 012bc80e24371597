import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import type { EngineInfo } from "../engine/index.js";
import { gpuDriverVersion } from "./gpus.js";

/** What constraints can ask of a host as node.attr.NAME; only what is known. Names that end in "version" or "release" compare as versions. */
export async function hostAttributes(engine: EngineInfo): Promise<Record<string, string>> {
  const [osRelease, cpuInfo, driver] = await Promise.all([readFile("/etc/os-release", "utf8").catch(() => ""), readFile("/proc/cpuinfo", "utf8").catch(() => ""), gpuDriverVersion()]);
  const [runtime, runtimeVersion] = engine.runtime.split(" ");
  const attributes = {
    "kernel.version": engine.kernel,
    ...parseOsRelease(osRelease),
    ...parseCpuInfo(cpuInfo),
    "cpu.cores": String(availableParallelism()),
    "memory.bytes": String(engine.memoryBytes),
    "runtime.name": runtime, "runtime.version": runtimeVersion,
    "storage.driver": engine.storageDriver,
    "cgroup.version": engine.cgroups,
    "engine.version": engine.version,
    "gpu.driver.version": driver,
  };
  return Object.fromEntries(Object.entries(attributes).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== ""));
}

/** os-release(5): NAME=value lines, with or without quotes. */
export function parseOsRelease(text: string): { "os.name"?: string; "os.release"?: string } {
  const field = (name: string) => new RegExp(`^${name}=["']?([^"'\\n]*)["']?\\s*$`, "m").exec(text)?.[1] ?? "";
  return { "os.name": field("ID"), "os.release": field("VERSION_ID") };
}

/** proc_cpuinfo(5): the model is named differently on each architecture, and by some ARM kernels not at all. */
export function parseCpuInfo(text: string): { "cpu.model"?: string; "cpu.vendor"?: string } {
  const field = (...names: string[]) => new RegExp(`^(?:${names.join("|")})\\s*:\\s*(.+?)\\s*$`, "m").exec(text)?.[1] ?? "";
  return { "cpu.model": field("model name", "Model", "cpu model"), "cpu.vendor": field("vendor_id", "CPU implementer") };
}
