// Builds this package with one line changed, without touching a file of it, and looks whether anything notices.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { build } from "esbuild";
import type { Mutation } from "./mutations.js";
import type { Finding, ProbeOrder } from "./probe.js";

export type { Finding };

const packageRoot = fileURLToPath(new URL("../", import.meta.url));
/** A mistake may also make a member turn in circles: that is noticed too. */
const limitMs = 60_000;

/** The source with the mutation; throws when its line is not there exactly once. */
export function mutate({ name, file, find, replace }: Mutation): string {
  const source = readFileSync(join(packageRoot, "src", file), "utf8"), parts = source.split(find);
  if (parts.length !== 2) throw new Error(`Mutation "${name}": its line occurs ${parts.length - 1} times in ${file}: ${find}`);
  return parts.join(replace);
}

/** What notices the mutation: a scenario or a seed; undefined when nothing does. Without a mutation: what fails anyhow. */
export async function probe(mutation: Mutation | undefined): Promise<Finding | undefined> {
  const order: ProbeOrder = { transcripts: join(packageRoot, "transcripts") };
  const changed = mutation && { path: join(packageRoot, "src", mutation.file), contents: mutate(mutation) };
  const built = await build({
    entryPoints: [join(packageRoot, "mutation/probe.ts")], bundle: true, write: false, platform: "node", format: "esm", target: "node20", packages: "external", logLevel: "silent",
    plugins: changed ? [{ name: "mutation", setup(plugin) { plugin.onLoad({ filter: /\.ts$/ }, ({ path }) => (path === changed.path ? { contents: changed.contents, loader: "ts" } : undefined)); } }] : [],
  });
  // Inside the package, so that what it imports is found from there.
  const directory = mkdtempSync(join(tmpdir(), "raft-ts-mutant-"));
  const file = join(directory, "probe.mjs");
  writeFileSync(file, built.outputFiles[0]!.contents);
  const worker = new Worker(file, { workerData: order, execArgv: [] });
  try {
    return await new Promise<Finding | undefined>((resolve, reject) => {
      const timer = setTimeout(() => { resolve({ by: "no end", others: 0, detail: `still running after ${limitMs / 1_000} s` }); }, limitMs);
      worker.once("message", (finding: Finding | undefined) => { clearTimeout(timer); resolve(finding); });
      worker.once("error", (error) => { clearTimeout(timer); reject(error); });
    });
  } finally {
    await worker.terminate();
    rmSync(directory, { recursive: true, force: true });
  }
}
