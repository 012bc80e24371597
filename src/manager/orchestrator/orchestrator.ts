import { startReaperLoop } from "./reaper-loop.js";
import { startServiceLoop } from "./service-loop.js";
import type { LoopHandle, OrchestratorPorts } from "./ports.js";

/** Leader only. Starts with a look at everything; all state that matters is in the store. */
export function startOrchestrator(ports: OrchestratorPorts): LoopHandle {
  const loops = [startServiceLoop(ports), startReaperLoop(ports)];
  return { async stop() { await Promise.all(loops.map((loop) => loop.stop())); } };
}
