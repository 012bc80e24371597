import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../lib/index.js";
import { linesOf } from "../testing.js";
import { resolveLogOptions } from "./drivers.js";
import { readLines } from "./read-log.js";

const record = (log: string, second = 0, stream = "stdout") => `${JSON.stringify({ log, stream, time: `2026-01-01T00:00:${String(second).padStart(2, "0")}.000000001Z` })}\n`;
const ended = () => true;

describe("engine: reading logs", () => {
  let directory: string;
  let path: string;
  beforeEach(() => { directory = mkdtempSync(join(tmpdir(), "skein-log-")); path = join(directory, "json.log"); });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));
  const read = (options = {}) => linesOf(readLines({ path, form: "json", hasEnded: ended, clock: systemClock }, options));

  it("goes through rotated files, oldest first", async () => {
    writeFileSync(`${path}.2`, record("a\n"));
    writeFileSync(`${path}.1`, record("b\n"));
    writeFileSync(path, record("c\n"));
    assert.deepEqual(await read(), ["a", "b", "c"]);
    assert.deepEqual(await read({ tail: 2 }), ["b", "c"]);
    assert.deepEqual(await read({ tail: 0 }), []);
  });
  it("starts and ends at given times", async () => {
    writeFileSync(path, [1, 2, 3, 4].map((s) => record(`${s}\n`, s)).join(""));
    const at = (s: number) => Date.parse(`2026-01-01T00:00:0${s}.000Z`);
    assert.deepEqual(await read({ sinceMs: at(2), untilMs: at(3) }), ["2", "3"]);
  });
  it("joins the pieces of a long line per stream, and passes over a torn record", async () => {
    writeFileSync(path, record("one ") + record("err\n", 0, "stderr") + '{"log":"torn' + "\n" + record("two\n") + record("rest"));
    assert.deepEqual(await read(), ["err", "one two", "rest"]);
  });
  it("follows across two rotations between its reads", async () => {
    let isEnded = false;
    writeFileSync(path, record("1\n"));
    const seen: string[] = [];
    const done = (async () => { for await (const { line } of readLines({ path, form: "json", hasEnded: () => isEnded, clock: systemClock }, { follow: true })) seen.push(line.toString()); })();
    while (seen.length < 1) await new Promise((resolve) => setTimeout(resolve, 5));
    appendFileSync(path, record("2\n"));
    renameSync(path, `${path}.1`);
    writeFileSync(path, record("3\n"));
    renameSync(`${path}.1`, `${path}.2`);
    renameSync(path, `${path}.1`);
    writeFileSync(path, record("4\n"));
    isEnded = true;
    await done;
    assert.deepEqual(seen, ["1", "2", "3", "4"]);
  });
  it("ends when its signal fires", async () => {
    writeFileSync(path, record("1\n"));
    assert.deepEqual(await linesOf(readLines({ path, form: "json", hasEnded: () => false, clock: systemClock }, { follow: true, signal: AbortSignal.timeout(50) })), ["1"]);
  });
});

describe("engine: log options", () => {
  it("have sizes in k, m and g", () => {
    const size = (text: string) => resolveLogOptions({ name: "", options: { "max-size": text } }).maxSizeBytes;
    assert.deepEqual(["100", "1k", "1.5M", "2gb", "-1"].map(size), [100, 1024, 1572864, 2147483648, 0]);
    const { form, maxSizeBytes, maxFiles } = resolveLogOptions(undefined);
    assert.deepEqual({ form, maxSizeBytes, maxFiles }, { form: "json", maxSizeBytes: 10 * 1024 * 1024, maxFiles: 3 });
  });
  it("are refused when wrong", () => {
    assert.throws(() => resolveLogOptions({ name: "syslog", options: {} }), /Log driver "syslog" is not known; there is json-file, local and none/);
    assert.throws(() => resolveLogOptions({ name: "json-file", options: { "max-size": "lots" } }), /max-size "lots" is not valid/);
    assert.throws(() => resolveLogOptions({ name: "json-file", options: { "max-file": "0" } }), /max-file "0" is not valid/);
    assert.throws(() => resolveLogOptions({ name: "json-file", options: { colour: "red" } }), /Log option "colour" is not known/);
  });
});
