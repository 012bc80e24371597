import assert from "node:assert/strict";
import { systemClock } from "../../lib/index.js";
import type { EngineEvent } from "../api/index.js";
import { EventLog } from "./event-log.js";

const event = (action: string) => ({ type: "container" as const, action, actorId: "c1", attributes: {} });

describe("event log", () => {
  it("gives back what was since, then what comes, and ends with the signal", async () => {
    const log = new EventLog(systemClock);
    const begun = Date.now();
    log.publish(event("create"));
    const ending = new AbortController();
    const seen: EngineEvent[] = [];
    const reading = (async () => { for await (const e of log.stream({ sinceMs: begun - 1, signal: ending.signal })) { seen.push(e); if (e.action === "start") ending.abort(); } })();
    log.publish(event("start"));
    await reading;
    assert.deepEqual(seen.map((e) => e.action), ["create", "start"]);
    assert.ok(seen[0]!.timeNano < seen[1]!.timeNano);
  });
  it("ends at until", async () => {
    const log = new EventLog(systemClock);
    log.publish(event("create"));
    const seen: string[] = [];
    for await (const e of log.stream({ sinceMs: 0, untilMs: Date.now() + 30, signal: new AbortController().signal })) seen.push(e.action);
    assert.deepEqual(seen, ["create"]);
  });
  it("without since shows nothing of before", async () => {
    const log = new EventLog(systemClock);
    log.publish(event("create"));
    const seen: string[] = [];
    for await (const e of log.stream({ untilMs: Date.now() + 10, signal: new AbortController().signal })) seen.push(e.action);
    assert.deepEqual(seen, []);
  });
});
