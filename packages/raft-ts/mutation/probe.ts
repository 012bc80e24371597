// Runs in a worker, bundled with a mutated package: replays every scenario and tells which do not go as they should.
import { parentPort, workerData } from "node:worker_threads";
import { readScenarios, replay } from "../transcripts/scenarios.js";

export interface ProbeOrder { /** their directory */ readonly transcripts: string }
/** The first scenario that does not go as it should, how many others do not, and where the first one leaves its way. */
export interface Finding { readonly by: string; readonly others: number; readonly detail: string }

function scenariosThatFail(directory: string): Finding | undefined {
  let first: Finding | undefined, others = 0;
  for (const scenario of readScenarios(directory)) {
    let got: string;
    try { got = replay(scenario); } catch (error) { got = (error as Error).message; }
    if (got === scenario.text) continue;
    if (first) others++;
    else first = { by: `${scenario.file}: ${scenario.title}`, others: 0, detail: firstDifference(scenario.text, got) };
  }
  return first && { ...first, others };
}

function firstDifference(wanted: string, got: string): string {
  const [one, other] = [wanted.split("\n"), got.split("\n")], at = one.findIndex((line, i) => line !== other[i]);
  return `"${one[at]?.trim()}" became "${other[at]?.trim() ?? "nothing"}"`;
}

const order = workerData as ProbeOrder;
parentPort!.postMessage(scenariosThatFail(order.transcripts));
