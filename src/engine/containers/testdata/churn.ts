// A daemon that makes, starts and removes containers until it is killed. Argument: its EngineConfig as JSON.
import { silentLogger, systemClock } from "../../../lib/index.js";
import { openEngine } from "../../engine.js";
import { containerConfig } from "../../testing.js";
import type { EngineConfig } from "../../config.js";

const config = JSON.parse(process.argv[2]!) as EngineConfig;
const engine = await openEngine({ ...config, log: silentLogger, clock: systemClock });
console.log("ready");
const churn = async () => {
  for (;;) {
    const spec = containerConfig({ args: ["sleep", "1000"] });
    await engine.create(spec);
    await engine.start(spec.id);
    if (Math.random() < 0.5) await engine.remove(spec.id, { force: true });
  }
};
await Promise.all([churn(), churn()]);
