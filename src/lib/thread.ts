import { Worker } from "node:worker_threads";

/**
 * A worker thread that runs module `name` (without extension) beside the module at `from` (its import.meta.url), with `workerData`. Whoever starts it ends it
 * (`terminate`). Run from sources, as tests are, the thread must be told how to read TypeScript; what is built needs nothing.
 */
export function startThread(from: string, name: string, workerData: unknown): Worker {
  const isSource = new URL(from).pathname.endsWith(".ts");
  const url = new URL(`./${name}.${isSource ? "ts" : "js"}`, from);
  if (!isSource) return new Worker(url, { workerData });
  return new Worker(`import("tsx/esm/api").then(({ register }) => { register(); return import(${JSON.stringify(url.href)}); });`, { eval: true, workerData });
}
