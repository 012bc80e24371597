// A daemon that is killed during a build: STATE RUN CGROUP MONITOR CONTEXT.
import { createReadStream } from "node:fs";
import { silentLogger, systemClock } from "../../../lib/index.js";
import { openEngine } from "../../engine.js";

const [stateDir = "", runDir = "", cgroupParent = "", monitorPath = "", context = ""] = process.argv.slice(2);
const engine = await openEngine({ stateDir, runDir, cgroupParent, monitorPath, log: silentLogger, clock: systemClock });
await engine.build({
  context: createReadStream(context), dockerfile: "Dockerfile", tags: [], buildArgs: {}, labels: {}, cacheFrom: [], networkMode: "none", secrets: { s: Buffer.from("secret") },
  onOutput: (output) => { if (output.kind === "stream") process.stdout.write(output.text); }, signal: new AbortController().signal,
});
