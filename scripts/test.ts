/**
 * npm test: every test, after the set-up that scripts/bootstrap made. Unit tests run in two groups side by side: what touches the kernel
 * (one after the other, so that no two change the same thing) and what does not; then the stories of cluster-tests/. The last line is
 * "N passed, N failed".
 *
 *   npm test                     everything
 *   npm test -- --unit           without cluster-tests/
 *   npm test -- PATTERN…         only files whose path holds a pattern
 */
import { spawn } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { createInterface } from "node:readline";
import { root } from "./demo.js";

interface Failure { readonly title: string; readonly err: string; readonly stack: string; readonly output: string }
interface Outcome { passed: number; failed: number; skipped: number; readonly failures: Failure[] }

const kernelFolders = ["src/engine", "src/overlay", "src/linux", "src/lab", "src/daemon", "src/agent"];
/** After its last test a run ends by itself, unless a test forgot to end what it started. */
const lingerMs = 5_000;
const isTty = process.stderr.isTTY === true;

async function main(): Promise<void> {
  const argv = process.argv.slice(2);
  const patterns = argv.filter((argument) => !argument.startsWith("--"));
  const unknown = argv.find((argument) => argument.startsWith("--") && argument !== "--unit");
  if (unknown !== undefined) { process.stderr.write(`npm test: unknown flag "${unknown}": it takes --unit and parts of file names\n`); process.exit(2); }
  const files = ["src", "packages", "scripts", ...(argv.includes("--unit") ? [] : ["cluster-tests"])].flatMap((folder) => testsBelow(folder))
    .filter((file) => patterns.length === 0 || patterns.some((pattern) => file.includes(pattern)));

  const stories = files.filter((file) => file.startsWith("cluster-tests/"));
  const kernel = files.filter((file) => kernelFolders.some((folder) => file.startsWith(`${folder}/`)));
  const plain = files.filter((file) => !stories.includes(file) && !kernel.includes(file));
  const total: Outcome = { passed: 0, failed: 0, skipped: 0, failures: [] };

  await Promise.all([runGroup("unit tests", plain, total), runGroup("unit tests with the kernel", kernel, total)]);
  await runGroup("cluster tests", stories, total);

  for (const failure of total.failures) {
    console.log(`\n✗ ${failure.title}\n${indent(failure.stack || failure.err)}${failure.output ? `\n  what it printed:\n${indent(failure.output)}` : ""}`);
  }
  if (total.skipped) console.log(`\n${total.skipped} skipped`);
  console.log(`${total.failures.length ? "\n" : ""}${total.passed} passed, ${total.failed} failed`);
  process.exitCode = total.failed > 0 ? 1 : 0;
}

/** One mocha process over the files, one file after the other; its events are counted as they come. */
async function runGroup(title: string, files: readonly string[], total: Outcome): Promise<void> {
  if (files.length === 0) return;
  const started = performance.now();
  // The options of .mocharc.json for Node are given here: mocha would start a child for them, which this process could not hear.
  const config = JSON.parse(readFileSync(join(root, ".mocharc.json"), "utf8")) as { "node-option": string[] };
  const mocha = spawn(process.execPath, [...config["node-option"].map((option) => `--${option}`), join(root, "node_modules/mocha/bin/mocha.js"),
    "--no-config", "--extension", "ts", "--timeout", "20000", "--reporter", join(root, "dist/scripts/test-reporter.js"), ...files],
    { cwd: root, stdio: ["ignore", "pipe", "pipe", "ipc"], env: { ...process.env, NO_COLOR: "1" } });
  const counts = { passed: 0, failed: 0, skipped: 0 };
  let hasEnded = false;
  let isStuck = false;
  let tooLate: ReturnType<typeof setTimeout> | undefined;
  let printed: string[] = [];
  const keep = (line: string) => { printed.push(line); if (printed.length > 200) printed = printed.slice(-100); };
  for (const stream of [mocha.stdout!, mocha.stderr!]) createInterface({ input: stream }).on("line", keep);
  mocha.on("message", (event: { kind: string; title: string; err?: string; stack?: string }) => {
    if (event.kind === "pass") counts.passed++;
    else if (event.kind === "skip") counts.skipped++;
    else if (event.kind === "end") { hasEnded = true; tooLate = setTimeout(() => { isStuck = true; mocha.kill("SIGKILL"); }, lingerMs); }
    else if (event.kind === "fail") {
      counts.failed++;
      process.stderr.write(`${isTty ? "\r\u001b[K" : ""}  ✗ ${event.title}: ${(event.err ?? "").split("\n")[0]}\n`);
      total.failures.push({ title: event.title, err: event.err ?? "", stack: event.stack ?? "", output: printed.join("\n") });
    }
    // What a test printed explains its own failure, not the next one's.
    if (event.kind === "pass" || event.kind === "fail") printed = [];
    if (isTty) process.stderr.write(`\r\u001b[K  ${title}: ${counts.passed} passed${counts.failed ? `, ${counts.failed} failed` : ""}  ${event.title.slice(0, 80)}`);
  });
  const code = await new Promise<number | string>((resolve) => mocha.on("close", (exit, signal) => resolve(exit ?? signal ?? "unknown")));
  clearTimeout(tooLate);
  if (isStuck) process.stderr.write(`${isTty ? "\r\u001b[K" : ""}  note: ${title}: a test left something open that keeps its process alive\n`);
  if (!hasEnded) {
    counts.failed++;
    total.failures.push({ title: `${title}: the run itself`, err: `mocha ended before the tests did (${code})`, stack: "", output: printed.join("\n") });
  }
  total.passed += counts.passed;
  total.failed += counts.failed;
  total.skipped += counts.skipped;
  process.stderr.write(`${isTty ? "\r\u001b[K" : ""}${title}: ${counts.passed} passed, ${counts.failed} failed, ${((performance.now() - started) / 1_000).toFixed(1)} s\n`);
}

function testsBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return entry.name === "node_modules" || entry.name === "dist" ? [] : testsBelow(path);
      return entry.name.endsWith(".test.ts") ? [relative(root, join(root, path))] : [];
    }).sort();
}

const indent = (text: string): string => text.split("\n").map((line) => `    ${line}`).join("\n");

await main();
