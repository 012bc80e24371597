/**
 * A daemon for tests: opens the overlay in the namespaces that it runs in, and does what lines of JSON on standard input say:
 * {"id":1,"call":"attach","args":[…]} → {"id":1,"result":…} or {"id":1,"code":…,"error":…}.
 */
import { createInterface } from "node:readline";
import { codeOf, createLogger, messageOf, systemClock } from "../../lib/index.js";
import { openOverlay } from "../index.js";

const [stateDir, nodeAddr, auditMs, upstream] = process.argv.slice(2) as [string, string, string, string];
const overlay = await openOverlay({
  stateDir, nodeAddr, auditMs: Number(auditMs), clock: systemClock, log: createLogger({ level: process.env["SKEIN_TEST_LOG"] === "debug" ? "debug" : "warn" }),
  upstreamDns: upstream ? upstream.split(",") : [],
});
const calls = overlay as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;

createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, call, args } = JSON.parse(line) as { id: number; call: string; args: unknown[] };
  const startedAt = performance.now();
  Promise.resolve().then(() => calls[call]!.call(overlay, ...args)).then(
    (result) => reply({ id, result, ms: performance.now() - startedAt }),
    (error: unknown) => reply({ id, code: codeOf(error), error: messageOf(error) }));
}).on("close", () => process.exit(0)); // whoever started us is gone

reply({ id: 0, result: "ready" });

function reply(message: unknown): void { process.stdout.write(JSON.stringify(message) + "\n"); }
