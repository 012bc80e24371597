// The simulator's command line. Speed is given in simulated seconds in one second of processor time: `--members 5 --writes 20 --from 1 --seeds 200` is the case that figures are of.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { runSeed, type Result } from "./simulation.js";
import type { Given } from "./plan.js";
import { shrink } from "./shrink.js";

const help = `Runs whole Raft groups in a simulated world, one for each seed, and checks what Raft promises.

  npx tsx packages/raft-ts/sim/run.ts [--seeds N] [--from S] [--minutes M] [--jobs J]
  npx tsx packages/raft-ts/sim/run.ts --trace SEED      the story of one seed
  npx tsx packages/raft-ts/sim/run.ts --shrink SEED     the shortest story found that breaks the same promise

  --seeds N     how many (100; with --minutes: as many as fit)
  --from S      the first (drawn from the time of day; printed)
  --minutes M   ends after so much time
  --jobs J      processes (1)
  --skip A,B    with --trace: without these faults
  --keep-going  goes on after a failing seed
  --members N   all groups begin with so many members, whatever the seed says
  --writes N    all clients write so often in a second

Prints progress to the error output and a summary as JSON. Exit code 1: a promise was broken; 2: the arguments are wrong.`;

interface Summary { seeds: number; from: number; to: number; failing: { seed: number; promise: string; message: string; atMs: number; replay: string }[]; simulatedSeconds: number; cpuSeconds: number; simulatedPerCpuSecond: number; totals: Record<string, number> }

const replay = (seed: number, given: Given): string => `npx tsx packages/raft-ts/sim/run.ts --trace ${[seed, ...argumentsOf(given)].join(" ")}`;

const argumentsOf = ({ members, writesPerSecond }: Given): string[] => [...(members === undefined ? [] : ["--members", String(members)]), ...(writesPerSecond === undefined ? [] : ["--writes", String(writesPerSecond)])];

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string" }, from: { type: "string" }, minutes: { type: "string" }, jobs: { type: "string" }, trace: { type: "string" }, shrink: { type: "string" },
      skip: { type: "string" }, "keep-going": { type: "boolean" }, step: { type: "string" }, members: { type: "string" }, writes: { type: "string" }, help: { type: "boolean" },
    },
  });
  if (values.help) { console.log(help); return 0; }
  const numberOf = (text: string | undefined, fallback: number): number => {
    if (text === undefined) return fallback;
    const number = Number(text);
    if (!Number.isFinite(number) || number < 0) throw new TypeError(`"${text}" is not a number`);
    return number;
  };
  const given: Given = { ...(values.members !== undefined && { members: numberOf(values.members, 5) }), ...(values.writes !== undefined && { writesPerSecond: numberOf(values.writes, 20) }) };
  if (values.trace !== undefined) return trace(numberOf(values.trace, 0), given, new Set((values.skip ?? "").split(",").filter((part) => part !== "").map(Number)));
  if (values.shrink !== undefined) return tellShortest(numberOf(values.shrink, 0), given, numberOf(values.minutes, 2));
  const minutes = numberOf(values.minutes, Infinity);
  const from = numberOf(values.from, Math.floor(Date.now() / 1000) % 1_000_000_000);
  const seeds = numberOf(values.seeds, values.minutes === undefined ? 100 : Infinity);
  const jobs = Math.max(1, numberOf(values.jobs, 1));
  const isGoingOn = values["keep-going"] === true;
  // What lasts is worth a process of its own; what runs there already says by --step which seeds are its own.
  const isLong = values.step === undefined && (jobs > 1 || seeds > 20);
  const summary = isLong ? await inProcesses({ seeds, from, minutes, jobs, isGoingOn, given }) : await inHere({ seeds, from, minutes, step: numberOf(values.step, 1), isGoingOn, given });
  console.log(JSON.stringify(summary, undefined, 2));
  return summary.failing.length > 0 ? 1 : 0;
}

async function inHere(options: { seeds: number; from: number; minutes: number; step: number; isGoingOn: boolean; given: Given }): Promise<Summary> {
  const startedAt = performance.now();
  const cpu = process.cpuUsage();
  const summary: Summary = { seeds: 0, from: options.from, to: options.from, failing: [], simulatedSeconds: 0, cpuSeconds: 0, simulatedPerCpuSecond: 0, totals: {} };
  let toldAt = startedAt;
  for (let i = 0; i < options.seeds && performance.now() - startedAt < options.minutes * 60_000; i++) {
    const seed = options.from + i * options.step;
    add(summary, await runSeed(seed, { given: options.given }), options.given);
    const failing = summary.failing.at(-1);
    if (failing?.seed === seed) {
      console.error(`Seed ${seed} breaks a promise after ${failing.atMs} ms: ${failing.message}\n  ${failing.replay}`);
      if (!options.isGoingOn) break;
    }
    if (performance.now() - toldAt > 10_000) {
      toldAt = performance.now();
      console.error(`${summary.seeds} seeds, to ${seed}; ${Math.round(summary.simulatedSeconds / 36) / 100} simulated hours; ${summary.failing.length} failing`);
    }
  }
  const { user, system } = process.cpuUsage(cpu);
  summary.cpuSeconds = (user + system) / 1e6;
  summary.simulatedPerCpuSecond = Math.round(summary.simulatedSeconds / summary.cpuSeconds);
  return summary;
}

function add(summary: Summary, result: Result, given: Given): void {
  summary.seeds++;
  summary.to = result.seed;
  summary.simulatedSeconds += result.simulatedMs / 1000;
  for (const [name, count] of Object.entries(result.stats)) summary.totals[name] = (summary.totals[name] ?? 0) + count;
  if (result.violation) summary.failing.push({ seed: result.seed, ...result.violation, replay: replay(result.seed, given) });
}

/** As one file of plain JavaScript: runs 5 to 10 % faster than what is transformed while it loads. */
async function bundleInto(directory: string): Promise<string> {
  const { build } = await import("esbuild");
  const file = join(directory, "run.mjs");
  await build({ entryPoints: [fileURLToPath(import.meta.url)], outfile: file, bundle: true, platform: "node", format: "esm", target: "node20", packages: "external", logLevel: "error" });
  return file;
}

async function inProcesses(options: { seeds: number; from: number; minutes: number; jobs: number; isGoingOn: boolean; given: Given }): Promise<Summary> {
  const directory = mkdtempSync(join(tmpdir(), "raft-ts-sim-"));
  try { return await runFile(await bundleInto(directory), options); } finally { rmSync(directory, { recursive: true, force: true }); }
}

/**
 * A world is thrown away as a whole: with room for it among the young objects nothing of it is copied, and what is left to collect is not worth other threads. V8 compiles three times later
 * than by itself: each world is a little different, and what it compiles sooner it compiles again and again (a fifth of the processor time of 200 seeds).
 */
const nodeOptions = ["--min-semi-space-size=64", "--max-semi-space-size=64", "--single-threaded-gc", "--interrupt-budget=400000"];

/** Each process takes every `jobs`-th seed. */
async function runFile(file: string, options: { seeds: number; from: number; minutes: number; jobs: number; isGoingOn: boolean; given: Given }): Promise<Summary> {
  const parts = await Promise.all(Array.from({ length: options.jobs }, (_, job) => new Promise<Summary>((resolve, reject) => {
    const args = ["--from", String(options.from + job), "--step", String(options.jobs), ...(options.isGoingOn ? ["--keep-going"] : []), ...argumentsOf(options.given)];
    if (Number.isFinite(options.minutes)) args.push("--minutes", String(options.minutes));
    args.push("--seeds", String(Number.isFinite(options.seeds) ? Math.ceil((options.seeds - job) / options.jobs) : Number.MAX_SAFE_INTEGER));
    const child = spawn(process.execPath, [...nodeOptions, file, ...args], { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.on("data", (data: Buffer) => { output += data.toString(); });
    child.on("error", reject);
    child.on("close", () => { try { resolve(JSON.parse(output) as Summary); } catch { reject(new Error(`Process ${job} ended without a summary: ${output}`)); } });
  })));
  const sum = parts[0]!;
  for (const part of parts.slice(1)) {
    sum.seeds += part.seeds;
    sum.to = Math.max(sum.to, part.to);
    sum.failing.push(...part.failing);
    sum.simulatedSeconds += part.simulatedSeconds;
    sum.cpuSeconds += part.cpuSeconds;
    for (const [name, count] of Object.entries(part.totals)) sum.totals[name] = (sum.totals[name] ?? 0) + count;
  }
  sum.from = options.from;
  sum.simulatedPerCpuSecond = Math.round(sum.simulatedSeconds / sum.cpuSeconds);
  return sum;
}

async function trace(seed: number, given: Given, skip: ReadonlySet<number>): Promise<number> {
  const story: string[] = [];
  const result = await runSeed(seed, { story, skip, given });
  for (const line of story) console.log(line);
  console.log(JSON.stringify(result, undefined, 2));
  return result.violation ? 1 : 0;
}

async function tellShortest(seed: number, given: Given, minutes: number): Promise<number> {
  const shrunk = await shrink(seed, { given, limitMs: minutes * 60_000, progress: (line) => console.error(line) });
  if (!shrunk) { console.log(`Seed ${seed} breaks no promise`); return 0; }
  const { plan, skip, simplified, runs, result, story } = shrunk;
  for (const line of story) console.log(line);
  console.log(`\n${plan.faults.length - skip.size} of ${plan.faults.length} faults are enough (${runs} runs)${simplified.length > 0 ? `, with ${simplified.join(", ")}` : ""}.`);
  console.log(`${plan.members} members; ${JSON.stringify(plan.limits)}`);
  console.log(result.violation?.message ?? "");
  return 1;
}

process.on("unhandledRejection", (error) => {
  console.error("A promise was rejected and nobody looked at it:", error);
  process.exit(1);
});

try { process.exitCode = await main(); } catch (error) {
  if (!(error instanceof TypeError)) throw error;
  console.error(`${error.message}\n\n${help}`);
  process.exitCode = 2;
}
