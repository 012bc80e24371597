import { createReadStream, existsSync, statSync, watch } from "node:fs";
import { SwarmError } from "../lib/index.js";
import { getHost, getLab, hostPaths } from "./state.js";

/** What the host's daemon printed; with follow, what it goes on to print, until the signal fires. */
export async function* labLogs(labName: string, hostName: string, options: { follow?: boolean; signal?: AbortSignal } = {}): AsyncGenerator<Buffer> {
  const lab = getLab(labName);
  const path = hostPaths(lab.name, getHost(lab, hostName).name).log;
  if (!existsSync(path)) throw new SwarmError("NOT_FOUND", `Host "${hostName}" of lab "${labName}" has no log: it never started`);
  let offset = 0;
  const rest = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of createReadStream(path, { start: offset })) { offset += (chunk as Buffer).length; yield chunk as Buffer; }
  };
  yield* rest();
  if (!options.follow) return;
  const wake = { now: () => {} };
  const watcher = watch(path, () => wake.now());
  const onAbort = () => wake.now();
  options.signal?.addEventListener("abort", onAbort);
  try {
    while (!options.signal?.aborted) {
      if (statSync(path, { throwIfNoEntry: false })?.size === offset) await new Promise<void>((resolve) => { wake.now = resolve; if (statSync(path, { throwIfNoEntry: false })?.size !== offset) resolve(); });
      if (!existsSync(path)) return;
      yield* rest();
    }
  } finally { watcher.close(); options.signal?.removeEventListener("abort", onAbort); }
}
