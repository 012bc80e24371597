import { SwarmError, messageOf, startThread } from "../../lib/index.js";
import type { RebalancePlan } from "../core/rebalance/index.js";
import type { PlanningJob } from "./worker.js";

/** Longer than the planner's own bound on work by far: a thread that does not come back is ended. */
const timeoutMs = 60_000;

/** One plan, made in a thread that lives as long as it takes. Buffers of `job` are copied, not moved. */
export async function planInWorker(job: PlanningJob, signal: AbortSignal): Promise<RebalancePlan> {
  signal.throwIfAborted();
  const worker = startThread(import.meta.url, "worker", job);
  let cleanUp = () => {};
  try {
    return await new Promise<RebalancePlan>((resolve, reject) => {
      const fail = (why: string) => reject(new SwarmError("INTERNAL", `Cannot plan the moves: ${why}; try again`));
      const timer = setTimeout(() => fail("the planner took more than a minute"), timeoutMs);
      const onAbort = () => reject(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      cleanUp = () => { clearTimeout(timer); signal.removeEventListener("abort", onAbort); };
      worker.once("message", resolve);
      worker.once("error", (error) => fail(messageOf(error)));
      worker.once("exit", () => fail("the planner's thread ended without a plan"));
    });
  } finally {
    cleanUp();
    await worker.terminate();
  }
}
