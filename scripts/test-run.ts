import { spawn } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { createInterface } from "node:readline";
import { root } from "./demo.js";

/** Runs of mocha whose tests are counted and whose failures are told at the end. */
export interface Outcome { passed: number; failed: number; skipped: number; readonly failures: Failure[] }
interface Failure { readonly title: string; readonly err: string; readonly stack: string; readonly output: string }
export const newOutcome = (): Outcome => ({ passed: 0, failed: 0, skipped: 0, failures: [] });

/** After its last test a run ends by itself, unless a test forgot to end what it started. */
const lingerMs = 5_000;
const isTty = process.stderr.isTTY === true;

/** Tells every failure with what it printed, then "N passed, N failed" as the last line. */
export function conclude(total: Outcome): void {
  for (const failure of total.failures) {
    console.log(`\n✗ ${failure.title}\n${indent(failure.stack || failure.err)}${failure.output ? `\n  what was printed:\n${indent(failure.output)}` : ""}`);
  }
  if (total.skipped) console.log(`\n${total.skipped} skipped`);
  console.log(`${total.failures.length ? "\n" : ""}${total.passed} passed, ${total.failed} failed`);
  process.exitCode = total.failed > 0 ? 1 : 0;
}

/** One mocha process over the files, one file after the other; its events are counted as they come. */
export async function runTests(title: string, files: readonly string[], total: Outcome, environment: Readonly<Record<string, string>> = {}): Promise<void> {
  if (files.length === 0) return;
  const started = performance.now();
  // The options of .mocharc.json for Node are given here: mocha would start a child for them, which this process could not hear.
  const config = JSON.parse(readFileSync(join(root, ".mocharc.json"), "utf8")) as { "node-option": string[] };
  const mocha = spawn(process.execPath, [...config["node-option"].map((option) => `--${option}`), join(root, "node_modules/mocha/bin/mocha.js"),
    "--no-config", "--extension", "ts", "--timeout", "20000", "--reporter", join(root, "dist/scripts/test-reporter.js"), ...files],
    { cwd: root, stdio: ["ignore", "pipe", "pipe", "ipc"], env: { ...process.env, NO_COLOR: "1", ...environment } });
  // Interrupted, the tests end first: they take away what they made.
  const interrupt = () => { mocha.kill("SIGTERM"); mocha.once("close", () => process.exit(130)); };
  process.once("SIGINT", interrupt).once("SIGTERM", interrupt);
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
  process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
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

/** Test files below a folder of the checkout, as paths from its root. */
export function testsBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return entry.name === "node_modules" || entry.name === "dist" ? [] : testsBelow(path);
      return entry.name.endsWith(".test.ts") ? [relative(root, join(root, path))] : [];
    }).sort();
}

const indent = (text: string): string => text.split("\n").map((line) => `    ${line}`).join("\n");
