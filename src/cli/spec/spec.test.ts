import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { messageOf } from "../../lib/index.js";
import { newServiceSpec, type ServiceSpec } from "../../model/index.js";
import { Flags, flagsOf, parseFlags } from "../flags.js";
import { parseShellWords } from "../parse/shell-words.js";
import { createSpec } from "./create-spec.js";
import { createFlags, sharedFlags, updateFlags } from "./service-flags.js";
import { updateSpec } from "./update-spec.js";

/**
 * Transcripts: "$ create …" or "$ update …" and what it makes of the spec, as the fields that differ from a bare service's, one a line.
 * `update` goes on from the spec above it. UPDATE_TRANSCRIPTS=1 writes the file anew; read the difference.
 */
const path = fileURLToPath(new URL("../testdata/service-flags.txt", import.meta.url));
const environment = { HOME: "/root" };
const files: Readonly<Record<string, string>> = { "vars.env": "# comment\nFROM_FILE=1\nBOTH=file\n" };

function run(line: string, before: ServiceSpec): ServiceSpec {
  const [verb, ...argv] = parseShellWords(line, "line");
  const declared = flagsOf({ flags: [...(verb === "create" ? createFlags : updateFlags), ...sharedFlags] });
  const { values, words } = parseFlags(`swarmctl service ${verb}`, declared, argv, verb === "create");
  const flags = new Flags(declared, values);
  if (verb === "update") return updateSpec(before, { flags, environment, networkId: (ref) => `id-of-${ref}`, serviceId: (ref) => `id-of-${ref}` });
  return createSpec({ flags, words, environment, readFile: (name) => files[name] ?? assert.fail(`no file ${name}`), randomSuffix: () => "abc123" });
}

describe("cli: service flags", () => {
  it("make the specs of the transcript", () => {
    const text = readFileSync(path, "utf8");
    let spec = newServiceSpec();
    const output: string[] = [];
    for (const line of text.split("\n")) {
      if (line.startsWith("#") || line === "") { output.push(line); continue; }
      if (!line.startsWith("$ ")) continue;
      output.push(line);
      const before = line.startsWith("$ update") ? spec : newServiceSpec();
      try {
        spec = run(line.slice(2), before);
        output.push(...differences(before, spec).map((each) => `  ${each}`));
      } catch (error) { output.push(`  refused: ${messageOf(error)}`); }
    }
    const actual = output.join("\n");
    if (process.env["UPDATE_TRANSCRIPTS"]) writeFileSync(path, actual); else assert.equal(actual, text);
  });
});

function differences(a: unknown, b: unknown, at = ""): string[] {
  if (JSON.stringify(a) === JSON.stringify(b)) return [];
  const isPlain = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isPlain(a) || !isPlain(b)) return [`${at} = ${JSON.stringify(b)}`];
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((key) => differences(a[key], b[key], at ? `${at}.${key}` : key));
}
