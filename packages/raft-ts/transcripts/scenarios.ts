// The transcript files, cut into their scenarios, and what they lead to now.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Transcript } from "./transcript.js";

/** A part of a file under a "## " heading; the text before the first heading has no title. */
export interface Scenario { readonly file: string; readonly title: string | undefined; readonly text: string }

export function readScenarios(directory: string): Scenario[] {
  return readdirSync(directory).filter((name) => name.endsWith(".txt")).sort().flatMap((file) =>
    readFileSync(join(directory, file), "utf8").split(/^(?=## )/m).map((text) => ({ file, title: /^## (.*)/.exec(text)?.[1], text })));
}

/** The scenario's text with what its commands lead to. Throws where a command has no meaning. */
export function replay({ file, title, text }: Scenario): string {
  const transcript = new Transcript(), out: string[] = [];
  for (const line of text.split("\n")) {
    if (line.startsWith("  ")) continue;
    out.push(line);
    if (!line.startsWith("$ ")) continue;
    try { out.push(...transcript.run(line.slice(2)).map((each) => `  ${each}`)); } catch (error) { throw new Error(`${file}, "${title}", "${line}": ${(error as Error).message}`, { cause: error }); }
  }
  return out.join("\n");
}

/** Writes what happens now into the files. */
export function rewrite(directory: string): void {
  const scenarios = readScenarios(directory);
  for (const file of new Set(scenarios.map((scenario) => scenario.file))) writeFileSync(join(directory, file), scenarios.filter((scenario) => scenario.file === file).map(replay).join(""));
}
