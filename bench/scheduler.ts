/**
 * scheduler: decisions per second by size and kind of work, explanations, plans, preemption, memory; each case in a process of its own.
 *
 *   npm run bench -- scheduler                    # everything
 *   npm run bench -- scheduler --case S3          # cases whose names begin so; several with commas
 *   npm run bench -- scheduler --list
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { note } from "./report.js";
import type { Case } from "./scheduler/case.js";
import { explainCases } from "./scheduler/explain.js";
import { loopCases } from "./scheduler/loop.js";
import { heterogeneousCases } from "./scheduler/heterogeneous.js";
import { rebalanceCases } from "./scheduler/rebalance.js";
import { memoryCases } from "./scheduler/memory.js";
import { preemptionCases } from "./scheduler/preemption.js";
import { spreadCases } from "./scheduler/spread.js";

const cases: readonly Case[] = [...loopCases, ...spreadCases, ...heterogeneousCases, ...memoryCases, ...explainCases, ...rebalanceCases, ...preemptionCases];

const argument = (name: string): string | undefined => { const at = process.argv.indexOf(name); return at < 0 ? undefined : process.argv[at + 1] ?? ""; };
const only = argument("--only-this");
if (only !== undefined) await cases.find(({ name }) => name === only)!.run();
else {
  const prefixes = argument("--case")?.split(",") ?? [""];
  const chosen = cases.filter(({ name }) => prefixes.some((prefix) => name.startsWith(prefix)));
  if (process.argv.includes("--list") || chosen.length === 0) console.log(cases.map(({ name }) => name).join("\n"));
  else for (const { name } of chosen) {
    const { status } = spawnSync(process.execPath, [...process.execArgv, "--expose-gc", "--max-old-space-size=8192", fileURLToPath(import.meta.url), "--only-this", name], { stdio: "inherit" });
    if (status !== 0) { note(`${name} failed`); process.exitCode = 1; }
  }
}
