import { closeSync, openSync, readSync } from "node:fs";

export interface Turns {
  /** The longest one, ms. */
  readonly longestMs: number;
  /** The longest one without the time for which it waited for a processor that others had, ms; undefined where the kernel does not tell. */
  readonly longestOwnMs: number | undefined;
}

/** Watches every turn of the event loop, the present one included, until it is called; that has to be in a turn of its own. A timer would not see the first one, nor those between its looks. */
export function watchTurns(): () => Turns {
  const waitedMs = openWaitTime();
  let longestMs = 0, longestOwnMs = 0, startMs = performance.now(), startWaitedMs = waitedMs?.() ?? 0, next: NodeJS.Immediate;
  const look = () => {
    const nowMs = performance.now(), allWaitedMs = waitedMs?.() ?? 0;
    longestMs = Math.max(longestMs, nowMs - startMs);
    longestOwnMs = Math.max(longestOwnMs, nowMs - startMs - (allWaitedMs - startWaitedMs));
    startMs = nowMs;
    startWaitedMs = allWaitedMs;
    next = setImmediate(look);
  };
  next = setImmediate(look);
  return () => {
    clearImmediate(next);
    look();
    clearImmediate(next);
    waitedMs?.close();
    return { longestMs, longestOwnMs: waitedMs && longestOwnMs };
  };
}

/** For how long this thread was ready to run and did not. */
function openWaitTime(): ((() => number) & { close(): void }) | undefined {
  let file: number;
  try {
    file = openSync("/proc/thread-self/schedstat", "r");
  } catch { return undefined; }
  const text = Buffer.alloc(80);
  const read = () => Number(text.toString("latin1", 0, readSync(file, text, 0, text.length, 0)).split(" ")[1]) / 1e6;
  return Object.assign(read, { close: () => closeSync(file) });
}
