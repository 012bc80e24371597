// A daemon that makes, starts and removes containers until it is killed. Arguments: its EngineConfig as JSON; "once" for a single container.
import { silentLogger, systemClock } from "../../../lib/index.js";
import { openEngine } from "../../engine.js";
import { containerConfig } from "../../testing.js";
import type { EngineConfig } from "../../config.js";

const config = JSON.parse(process.argv[2]!) as EngineConfig;
const engine = await openEngine({ ...config, log: silentLogger, clock: systemClock });
console.log("ready");
const startOne = async (): Promise<string> => {
  const spec = containerConfig({ args: ["sleep", "1000"] });
  await engine.create(spec);
  await engine.start(spec.id);
  return spec.id;
};
const churn = async () => {
  for (;;) {
    const id = await startOne();
    if (Math.random() < 0.5) await engine.remove(id, { force: true });
  }
};
if (process.argv[3] === "once") console.log(`started ${await startOne()}`); else await Promise.all([churn(), churn()]);
