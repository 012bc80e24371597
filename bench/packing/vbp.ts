/** Vector bin packing offline: instances in Vectorpack's format, one a file or many with "@ NAME" before each, and what is published of them beside the files (SET_summary_known.csv). */
import { basename, dirname } from "node:path";
import { packVectors, type VectorPackingProblem } from "../../src/scheduler/core/rebalance/index.js";
import { note, report } from "../report.js";
import { filesBelow, textOf } from "./files.js";

interface Instance { readonly name: string; readonly problem: VectorPackingProblem }
interface Published { readonly optimumOrBound: number; readonly best: number }
interface Totals { instances: number; bins: number; optimumOrBound: number; best: number; known: number; seconds: number }

export function benchVectorPacking(path: string, options: { readonly rounds?: number | undefined }): void {
  const files = filesBelow(path, /\.(txt|vbp)(\.gz)?$/) ?? [path];
  if (files.length === 0) throw new Error(`Cannot read instances in "${path}": no file ends in .txt, .vbp, .txt.gz or .vbp.gz`);
  const all: Totals = { instances: 0, bins: 0, optimumOrBound: 0, best: 0, known: 0, seconds: 0 };
  for (const file of files) {
    const published = readPublished(file), totals: Totals = { instances: 0, bins: 0, optimumOrBound: 0, best: 0, known: 0, seconds: 0 };
    for (const { name, problem } of readInstances(file)) {
      const start = performance.now();
      const packing = packVectors(problem, options.rounds === undefined ? {} : { rounds: options.rounds });
      totals.seconds += (performance.now() - start) / 1000;
      check(name, problem, packing.binOfItem, packing.bins);
      const known = published.get(name);
      totals.instances++;
      totals.bins += packing.bins;
      totals.optimumOrBound += known?.optimumOrBound ?? packing.lowerBound;
      totals.best += known?.best ?? 0;
      totals.known += known ? 1 : 0;
    }
    tell(`vbp ${basename(file).replace(/\..*$/, "")}`, totals);
    for (const key of Object.keys(all) as (keyof Totals)[]) all[key] += totals[key];
  }
  if (files.length > 1) tell("vbp total", all);
}

function tell(name: string, { instances, bins, optimumOrBound, best, known, seconds }: Totals): void {
  const isKnown = known === instances;
  note(`  ${name}: ${instances} instances, ${bins} bins, ${isKnown ? `best published ${best}, ` : ""}optimum or bound ${optimumOrBound}, ${seconds.toFixed(1)} s`);
  report({ bench: "packing", case: name, metric: "bins", value: bins, unit: "bins", ...(isKnown ? { peer: "best of 351 published heuristics", peerValue: best } : {}) });
  report({
    bench: "packing", case: name, metric: "bins over optimum or bound", value: 100 * (bins / optimumOrBound - 1), unit: "%",
    ...(isKnown ? { peer: "best of 351 published heuristics", peerValue: 100 * (best / optimumOrBound - 1) } : {}),
  });
  report({ bench: "packing", case: name, metric: "time", value: seconds, unit: "s" });
}

function readInstances(file: string): Instance[] {
  const sections = textOf(file).split(/^@\s*(.*)$/m);
  if (sections.length === 1) return [{ name: basename(file).replace(/\.(vbp|txt)(\.gz)?$/, ""), problem: parseInstance(sections[0]!, `"${file}"`) }];
  return Array.from({ length: (sections.length - 1) / 2 }, (_, k) => {
    const name = sections[2 * k + 1]!.trim();
    return { name, problem: parseInstance(sections[2 * k + 2]!, `instance ${name} in "${file}"`) };
  });
}

/**
 * The number of dimensions, the bin's capacities, the number of lines that follow, then an item a line with how often it is there.
 * Some of the published triplets (Caprara) ask less than nothing of a dimension: counted as nothing, which makes them harder, never easier.
 */
function parseInstance(text: string, where: string): VectorPackingProblem {
  const numbers = text.split(/\s+/).filter(Boolean).map(Number);
  const dimensions = numbers[0]!, lines = numbers[1 + dimensions]!, sizes: number[] = [];
  if (!numbers.every(Number.isFinite) || !(dimensions > 0) || numbers.length < 2 + dimensions + lines * (dimensions + 1)) throw new Error(`Cannot read ${where}: it begins with the number of dimensions, the capacities and the number of items, then an item a line, numbers all of them`);
  for (let line = 0; line < lines; line++) {
    const at = 2 + dimensions + line * (dimensions + 1);
    for (let copy = 0; copy < numbers[at + dimensions]!; copy++) sizes.push(...numbers.slice(at, at + dimensions).map((size) => Math.max(0, size)));
  }
  return { dimensions, capacities: Float64Array.from(numbers.slice(1, 1 + dimensions)), sizes: Float64Array.from(sizes) };
}

/** Tab-separated: instance_name, LB, OPT (-1 where unknown), best_overall, …; of the set that the file's name begins with. */
function readPublished(file: string): Map<string, Published> {
  const published = new Map<string, Published>(), set = basename(file).replace(/[_.].*$/, "");
  const summary = filesBelow(dirname(file), /_summary_known\.csv/)?.find((path) => basename(path).startsWith(`${set}_summary_known.csv`));
  if (summary === undefined) return published;
  const [head, ...rows] = textOf(summary).trim().split("\n").map((line) => line.split("\t"));
  const column = (name: string) => head!.indexOf(name);
  for (const row of rows) {
    const optimum = Number(row[column("OPT")]);
    published.set(row[column("instance_name")]!, { optimumOrBound: optimum > 0 ? optimum : Number(row[column("LB")]), best: Number(row[column("best_overall")]) });
  }
  return published;
}

/** Apart from the solver, in the instance's own whole numbers. */
function check(name: string, { dimensions, capacities, sizes }: VectorPackingProblem, binOfItem: Int32Array, bins: number): void {
  const loads = new Float64Array(bins * dimensions);
  binOfItem.forEach((bin, item) => {
    if (bin < 0 || bin >= bins) throw new Error(`${name}: item ${item} is in no bin`);
    for (let d = 0; d < dimensions; d++) loads[bin * dimensions + d]! += sizes[item * dimensions + d]!;
  });
  loads.forEach((load, at) => { if (load > capacities[at % dimensions]!) throw new Error(`${name}: bin ${Math.floor(at / dimensions)} holds ${load} of ${capacities[at % dimensions]} in dimension ${at % dimensions}`); });
}
