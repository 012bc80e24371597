import { SwarmError, codeOf } from "../../lib/index.js";
import type { CommandInput, FlagSpec } from "../command.js";
import { exitCode } from "../exit-codes.js";
import { parseDuration } from "../parse/duration.js";
import { choose } from "../parse/key-value.js";
import { slotsOf, verdictOf } from "./convergence.js";
import { createProgress } from "./progress.js";
import { ServiceWatch } from "./service-watch.js";

export const waitFlags: readonly FlagSpec[] = [
  { name: "detach", short: "d", kind: "switch", group: "Waiting", help: "Return at once, do not wait for the tasks" },
  { name: "quiet", short: "q", kind: "switch", group: "Waiting", help: "Print only the id, show no progress" },
  { name: "progress", kind: "text", value: "HOW", group: "Waiting", help: "auto (redrawn on a terminal, the default), plain (lines) or live" },
  { name: "stable", kind: "text", value: "DURATION", group: "Waiting", help: "How long every task must have run to be believed (default 1s; 0: no time)" },
  { name: "timeout", kind: "text", value: "DURATION", group: "Waiting", help: "Wait at most so long, then end with exit code 3" },
];

export const waitNotes = "Waits until every task runs; without a terminal it ends as soon as the tasks are known to be stuck. Exit code 3: accepted, but tasks were rejected, keep failing, or no node fits; the service stays, and its tasks start by themselves when what keeps them is gone.";

/** Tasks that run for this long after their start are taken to have started: a command that ends at once is found out. A look takes place every second. */
const defaultStableMs = 900;
/** Without a terminal nobody can press Ctrl-C: the scheduler's reasons, unchanged for this long, end the wait. */
const pendingPatienceMs = 10_000;

export function isWaiting(input: CommandInput): boolean { return !input.flags.on("detach"); }

/** Waits until the service is as its spec says, and shows it; resolves to the exit code. */
export async function waitForService(input: CommandInput, serviceId: string, name: string): Promise<number> {
  const { terminal, flags, signal } = input;
  const how = choose(flags.text("progress") ?? "auto", "--progress", { auto: "auto", plain: "plain", live: "live" } as const);
  const isPlain = how === "plain" || (how === "auto" && !terminal.errIsTty);
  const progress = flags.on("quiet") ? { show() {}, end() {} } : createProgress(terminal, isPlain);
  const stableMs = flags.has("stable") ? parseDuration(flags.text("stable")!, "--stable") : defaultStableMs;
  const limitMs = flags.has("timeout") ? parseDuration(flags.text("timeout")!, "--timeout") : undefined;
  const limit = limitMs === undefined ? undefined : AbortSignal.timeout(limitMs);
  const until = AbortSignal.any([signal, ...(limit ? [limit] : [])]);

  let convergedSince: number | undefined;
  let waitingSince: number | undefined;
  let lastWhy = "";
  try {
    for await (const observation of new ServiceWatch(input.connection, serviceId).observations(until)) {
      if (!observation || observation.service.isRemoving) throw new SwarmError("NOT_FOUND", `Service "${name}" was removed while it was waited for.`);
      const slots = slotsOf(observation);
      progress.show(name, slots, observation.desired);
      const verdict = verdictOf(observation, slots);
      const now = performance.now();
      convergedSince = verdict.kind === "converged" ? convergedSince ?? now : undefined;
      waitingSince = verdict.kind === "waiting" ? waitingSince ?? now : undefined;
      lastWhy = verdict.kind === "waiting" || verdict.kind === "failing" ? verdict.why : slots.find((slot) => slot.why)?.why ?? lastWhy;
      if (verdict.kind === "failing") return notConverged(input, name, verdict.why);
      if (convergedSince !== undefined) {
        if (observation.desired === 0 || now - convergedSince >= stableMs) {
          const running = slots.filter((slot) => slot.isRunning).length;
          const completed = observation.desired - running;
          if (!flags.on("quiet")) terminal.err(`Service "${name}" is as asked: ${running} running${completed > 0 ? `, ${completed} completed` : ""}.\n`);
          return exitCode.done;
        }
      }
      if (isPlain && waitingSince !== undefined && now - waitingSince >= pendingPatienceMs) return notConverged(input, name, lastWhy);
    }
    if (signal.aborted) {
      terminal.err(`Service "${name}" goes on in the background; "swarmctl service ps ${name}" shows it.\n`);
      return exitCode.interrupted;
    }
    if (limit?.aborted && convergedSince === undefined) return notConverged(input, name, lastWhy || "its tasks are still starting", `not as asked after ${limitMs! / 1_000} s`);
    if (!flags.on("quiet")) terminal.err(`Service "${name}" is as asked.\n`);
    return exitCode.done;
  } finally { progress.end(); }
}

function notConverged(input: CommandInput, name: string, why: string, what = "is not as asked"): number {
  input.terminal.err(`swarmctl: Service "${name}" ${what.startsWith("not") ? `is ${what}` : what}: ${why.replace(/\.$/, "")}; "swarmctl service ps ${name}" shows every task.\n`);
  return exitCode.notConverged;
}

/** Waits until the service and its last task are gone. */
export async function waitForRemoval(input: CommandInput, serviceId: string, boundMs = 120_000): Promise<number> {
  const until = AbortSignal.any([input.signal, AbortSignal.timeout(boundMs)]);
  try {
    for await (const observation of new ServiceWatch(input.connection, serviceId).observations(until)) if (!observation) return exitCode.done;
  } catch (error) { if (codeOf(error) !== "NOT_FOUND") throw error; return exitCode.done; }
  return input.signal.aborted ? exitCode.interrupted : exitCode.notConverged;
}
