/**
 * An engine for tests, in the namespaces that it is started in: does what lines of JSON on standard input say:
 * {"id":1,"call":"networks.create","args":[…]} → {"id":1,"result":…} or {"id":1,"code":…,"error":…}.
 */
import { createInterface } from "node:readline";
import { busyboxImage, dockerSave } from "../../../../scripts/base-images.js";
import { codeOf, createLogger, messageOf, systemClock } from "../../../lib/index.js";
import { openEngine } from "../../engine.js";
import { containerConfig } from "../../testing.js";
import type { ContainerConfig, EngineEvent } from "../../api/index.js";
import type { NetworkOptions } from "../../config.js";

const [directory, cgroupParent, monitorPath, networking] = process.argv.slice(2) as [string, string, string, string];
const engine = await openEngine({
  stateDir: `${directory}/state`, runDir: `${directory}/run`, cgroupParent, monitorPath, networking: JSON.parse(networking) as NetworkOptions, clock: systemClock,
  log: createLogger({ level: process.env["SKEIN_TEST_LOG"] === "debug" ? "debug" : "error" }),
});
if ((await engine.images.list()).length === 0) await engine.images.load(dockerSave(await busyboxImage()));
const events: EngineEvent[] = [];
const ending = new AbortController();
void (async () => { for await (const event of engine.events.stream({ signal: ending.signal })) events.push(event); })();

const more: Record<string, (...args: never[]) => Promise<unknown>> = {
  async run(config: Partial<ContainerConfig>) {
    const whole = containerConfig({ image: "busybox", args: ["sleep", "1000"], hostname: "", ...config });
    await engine.create(whole);
    try { await engine.start(whole.id); } catch (error) { await engine.remove(whole.id, { force: true }); throw error; }
    return whole.id;
  },
  async sh(id: string, script: string) {
    const result = await engine.exec(id, { command: ["sh", "-c", script], timeoutMs: 20_000 });
    return { exitCode: result.exitCode, output: result.output.toString() };
  },
  async events() { return events.filter((event) => event.type === "network").map((event) => ({ ...event, timeNano: String(event.timeNano) })); },
  async close() { ending.abort(); await engine.close(); },
};

createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, call, args } = JSON.parse(line) as { id: number; call: string; args: never[] };
  const [head, tail] = call.split(".") as [string, string | undefined];
  const target = (tail === undefined ? engine : engine[head as keyof typeof engine]) as unknown as Record<string, (...args: never[]) => Promise<unknown>>;
  const startedAt = performance.now();
  Promise.resolve().then(() => (more[call] ? more[call](...args) : target[tail ?? head]!(...args))).then(
    (result) => reply({ id, result, ms: performance.now() - startedAt }),
    (error: unknown) => reply({ id, code: codeOf(error), error: messageOf(error) }));
}).on("close", () => process.exit(0));

reply({ id: 0, result: "ready" });

function reply(message: unknown): void { process.stdout.write(`${JSON.stringify(message)}\n`); }
