/** npm run bench -- NAME [OPTION…]: one benchmark of bench/, which prints JSON lines; without a name, their list. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root } from "./demo.js";
import { suggestion } from "../src/cli/index.js";

const benchmarks = readdirSync(join(root, "bench")).filter((file) => /^[a-z][a-z0-9-]*\.ts$/.test(file) && !file.endsWith(".test.ts")).map((file) => file.slice(0, -3))
  // A benchmark says in its first comment what it measures, "name: …"; what else is in the folder helps them.
  .flatMap((name) => {
    const about = new RegExp(`^/\\*\\*\\s+(?:\\* )?(${name}: [^]*?)\\s*\\*/`).exec(readFileSync(join(root, "bench", `${name}.ts`), "utf8"))?.[1]?.split("\n").map((line) => line.replace(/^ \* ?/, ""));
    return about ? [{ name, summary: about[0]!.slice(name.length + 2), about }] : [];
  });

const names = benchmarks.map((each) => each.name);
const [name, ...rest] = process.argv.slice(2);
if (name === undefined || name === "--help") {
  console.log(["Usage: npm run bench -- NAME [OPTION…]", "", "Benchmarks:", ...benchmarks.map(({ name: each, summary }) => `  ${each.padEnd(12)} ${summary}`), "", "NAME --help says what a benchmark takes."].join("\n"));
} else if (!names.includes(name)) {
  const near = suggestion(name, names);
  process.stderr.write(`There is no benchmark "${name}"${near ? `: did you mean "${near}"?` : `: there are ${names.join(", ") || "none yet"}.`}\n`);
  process.exitCode = 2;
} else if (rest.includes("--help")) {
  console.log(benchmarks.find((each) => each.name === name)!.about.join("\n"));
} else {
  // The benchmark sees its own options where a program has them.
  process.argv.splice(2, process.argv.length, ...rest);
  await import(pathToFileURL(join(root, "dist/bench", `${name}.js`)).href).catch((error: NodeJS.ErrnoException) => {
    // What was asked for, not how the program is made, is what is wrong then.
    if (!error.message.startsWith("Cannot ") && !error.code?.startsWith("ERR_PARSE_ARGS")) throw error;
    process.stderr.write(`npm run bench -- ${name}: ${error.message}\nnpm run bench -- ${name} --help says what it takes.\n`);
    process.exitCode = 2;
  });
}
