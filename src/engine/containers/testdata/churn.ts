// A daemon that makes, starts, restarts, pauses, stops and removes containers until it is killed. Arguments: its EngineConfig as JSON; "once" for a single container.
import { silentLogger, systemClock } from "../../../lib/index.js";
import type { ContainerConfig } from "../../api/index.js";
import { openEngine } from "../../engine.js";
import { containerConfig } from "../../testing.js";
import type { EngineConfig } from "../../config.js";

const config = JSON.parse(process.argv[2]!) as EngineConfig;
const engine = await openEngine({ ...config, log: silentLogger, clock: systemClock });
console.log("ready");
const startOne = async (more: Partial<ContainerConfig> = {}): Promise<string> => {
  const spec = containerConfig({ args: ["sleep", "1000"], ...more });
  await engine.create(spec);
  await engine.start(spec.id);
  return spec.id;
};
const kinds: Partial<ContainerConfig>[] = [
  {}, { autoRemove: true }, { args: ["true"], autoRemove: true, mounts: [{ type: "volume", name: "", target: "/v", readOnly: false }] },
  { restart: { name: "always", maximumRetries: 0 } }, { args: ["sh", "-c", "exit 1"], restart: { name: "on-failure", maximumRetries: 1 } },
];
const pick = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)]!;
const acts: ((id: string) => Promise<unknown>)[] = [
  (id) => engine.remove(id, { force: true }), (id) => engine.restart(id, { graceMs: 0 }), (id) => engine.pause(id), async (id) => { await engine.pause(id); await engine.unpause(id); },
  (id) => engine.stop(id, { graceMs: 0 }), (id) => engine.kill(id, "KILL"), (id) => engine.rename(id, `renamed-${id.slice(0, 8)}`), (id) => engine.update(id, { limits: { pids: 50 } }), async () => {},
];
const churn = async () => {
  for (;;) {
    const id = await startOne(pick(kinds));
    // What ends by itself may be gone or exited by then: the refusal is part of the story.
    for (let i = 0; i < 2; i++) await pick(acts)(id).catch((error: Error) => { if (error.name !== "SwarmError") throw error; });
  }
};
if (process.argv[3] === "once") console.log(`started ${await startOne()}`); else await Promise.all([churn(), churn(), churn()]);
