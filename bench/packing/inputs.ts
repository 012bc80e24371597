/** Inventories and workloads from tables of comma-separated values (.csv, .csv.gz) with a head line; columns are known by their names, and others may be there too. */
import { basename } from "node:path";
import { filesBelow, textOf } from "./files.js";

export interface Machine { readonly name: string; readonly cpuMillis: number; readonly memoryMib: number; readonly gpus: number; readonly model: string }

/** `gpuMillis`: of each of `gpus` devices; below 1000 with one device only. `models`: those that it may use; empty = any. */
export interface Job { readonly cpuMillis: number; readonly memoryMib: number; readonly gpus: number; readonly gpuMillis: number; readonly models: readonly string[] }

export interface Workload { readonly name: string; readonly jobs: readonly Job[] }

/** What was published of a workload: by metric, the mean over its runs. */
export type Published = ReadonlyMap<string, number>;

export const gpuMillisOf = (job: Job): number => job.gpus * job.gpuMillis;

export function readMachines(path: string): Machine[] {
  return readTable(path).map((row) => ({
    name: row.text("sn", "name"), cpuMillis: row.number("cpu_milli"), memoryMib: row.number("memory_mib"), gpus: row.number("gpu", "num_gpu"), model: row.text("model") || "gpu",
  }));
}

/** A file, files with commas between them, or a directory: then every table in it whose head is a workload's. */
export function readWorkloads(path: string): Workload[] {
  const files = path.split(",").flatMap((each) => filesBelow(each, /\.csv(\.gz)?$/)?.filter((file) => /^[^\n]*\bnum_gpu\b[^\n]*\bgpu_milli\b/.test(textOf(file))) ?? [each]);
  if (files.length === 0) throw new Error(`Cannot read workloads in "${path}": no table there has the columns num_gpu and gpu_milli`);
  return files.map((file) => ({ name: basename(file).replace(/\.csv(\.gz)?$/, "").replace(/^.*_list_/, ""), jobs: readTable(file).map(jobOf) }));
}

function jobOf(row: Row): Job {
  const gpus = row.number("num_gpu");
  return {
    cpuMillis: row.number("cpu_milli"), memoryMib: row.number("memory_mib"), gpus, gpuMillis: gpus === 1 ? row.number("gpu_milli") : gpus > 1 ? 1000 : 0,
    models: [...new Set(row.optionalText("gpu_spec").split("|").filter(Boolean))].sort(),
  };
}

/** Published results: a row for each workload, policy and seed. Those of `policy`, as means, by workload. */
export function readPublished(path: string, policy: string): Map<string, Published> {
  const sums = new Map<string, Map<string, { sum: number; runs: number }>>();
  for (const row of readTable(path)) {
    if (row.text("policy") !== policy) continue;
    const metrics = sums.get(row.text("workload")) ?? new Map<string, { sum: number; runs: number }>();
    sums.set(row.text("workload"), metrics);
    for (const name of row.names) {
      const value = Number(row.text(name));
      if (!/_pct_/.test(name) || !Number.isFinite(value)) continue;
      const known = metrics.get(name) ?? { sum: 0, runs: 0 };
      metrics.set(name, { sum: known.sum + value, runs: known.runs + 1 });
    }
  }
  if (sums.size === 0) throw new Error(`Cannot read published results in "${path}": no row is of policy "${policy}"`);
  return new Map([...sums].map(([workload, metrics]) => [workload, new Map([...metrics].map(([name, { sum, runs }]) => [name, sum / runs]))]));
}

interface Row {
  readonly names: readonly string[];
  text(...names: string[]): string;
  optionalText(name: string): string;
  number(...names: string[]): number;
}

function readTable(path: string): Row[] {
  const [head, ...lines] = textOf(path).trim().split(/\r?\n/).map((line) => line.split(","));
  const names = head!.map((name) => name.trim());
  return lines.map((cells, line) => {
    const text = (...wanted: string[]): string => {
      const column = wanted.map((name) => names.indexOf(name)).find((at) => at >= 0);
      if (column === undefined) throw new Error(`Cannot read "${path}": it has no column "${wanted.join('" or "')}", only ${names.join(", ")}`);
      return (cells[column] ?? "").trim();
    };
    return {
      names, text,
      optionalText: (name) => names.includes(name) ? text(name) : "",
      number: (...wanted) => {
        const value = Number(text(...wanted) || "0");
        if (!Number.isFinite(value) || value < 0) throw new Error(`Cannot read "${path}", line ${line + 2}: ${wanted[0]} is "${text(...wanted)}", not a number of 0 or more`);
        return value;
      },
    };
  });
}
