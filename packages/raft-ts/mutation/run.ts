/**
 * Puts each mistake of mutations.ts into the package, one at a time, and looks whether a transcript or a seed of the simulator notices.
 *
 *   npx tsx packages/raft-ts/mutation/run.ts [PART OF A NAME] [--write]
 *
 * --write: what noticed each is written to MUTATION.md. Ends with 1 if a mistake passes unnoticed, or if something fails without one.
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { probe, type Finding } from "./mutant.js";
import { mutations, type Mutation } from "./mutations.js";

export const reportPath = fileURLToPath(new URL("../MUTATION.md", import.meta.url));

export interface Caught { readonly mutation: Mutation; readonly finding: Finding | undefined }

/** One after the other; `onEach` hears of each as it is done. */
export async function tryAll(chosen: readonly Mutation[], onEach: (caught: Caught) => void = () => {}): Promise<Caught[]> {
  const all: Caught[] = [];
  for (const mutation of chosen) {
    const caught = { mutation, finding: await probe(mutation) };
    all.push(caught);
    onEach(caught);
  }
  return all;
}

/** MUTATION.md. */
export function reportOf(all: readonly Caught[]): string {
  const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");
  const missed = all.filter(({ finding }) => !finding).length;
  return [
    "# Mutations", "",
    `Each line below is a mistake that an implementation of Raft could make, put into this one in place of the right line, and what noticed it: a scenario of \`transcripts/\`, or a seed of the simulator (\`sim/\`). ${all.length} mistakes, ${all.length - missed} noticed.`, "",
    "`npx tsx packages/raft-ts/mutation/run.ts --write` tries them all and writes this page; `mutations.ts` has the lines.", "",
    "| mistake | in | noticed by |", "|---|---|---|",
    ...all.map(({ mutation, finding }) => `| ${cell(mutation.name)} | \`${mutation.file}\` | ${finding ? cell(finding.by) + (finding.others > 0 ? ` and ${finding.others} more` : "") : "**nothing**"} |`), "",
  ].join("\n");
}

async function main(): Promise<number> {
  const words = process.argv.slice(2), part = words.find((word) => !word.startsWith("--")) ?? "";
  const chosen = mutations.filter(({ name }) => name.includes(part));
  const control = await probe(undefined);
  if (control) { console.error(`Without a mutation ${control.by} fails: ${control.detail}`); return 1; }
  const all = await tryAll(chosen, ({ mutation, finding }) => { console.log(finding ? `noticed  ${mutation.name}\n         ${finding.by}: ${finding.detail}` : `MISSED   ${mutation.name}`); });
  const missed = all.filter(({ finding }) => !finding).length;
  if (words.includes("--write") && part === "") writeFileSync(reportPath, reportOf(all));
  console.log(`${all.length} mutations, ${all.length - missed} noticed, ${missed} missed`);
  return missed === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main();
