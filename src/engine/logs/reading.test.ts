import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../lib/index.js";
import { waitFor } from "../../lib/testing.js";
import type { LogFrameOptions } from "../api/index.js";
import { linesOf } from "../testing.js";
import { readFrames, readLines, type LogSource } from "./read-log.js";
import { scannerOf, timeText, type LogForm } from "./record-scanner.js";

const second = (s: number, ns = 1) => 1_767_225_600_000_000_000n + BigInt(s) * 1_000_000_000n + BigInt(ns);

function record(form: LogForm, text: string | Buffer, { at = second(0), stream = "stdout" } = {}): Buffer {
  const bytes = Buffer.from(text as string);
  if (form === "json") return Buffer.from(`${JSON.stringify({ log: bytes.toString(), stream, time: timeText(at) })}\n`);
  const ends = bytes.at(-1) === 10;
  const line = ends ? bytes.subarray(0, -1) : bytes;
  const head = Buffer.alloc(14);
  head[0] = 0xd7;
  head[1] = (stream === "stderr" ? 1 : 0) | (ends ? 0 : 2);
  head.writeUInt32BE(line.length, 2);
  head.writeBigUInt64BE(at, 6);
  return Buffer.concat([head, line, head.subarray(2, 6)]);
}

/** Docker's frames as a client takes them apart. */
function framesOf(bytes: Buffer): string[] {
  const frames: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readUInt32BE(at + 4);
    frames.push(`${bytes[at]} ${bytes.subarray(at + 8, at + 8 + length).toString()}`);
    at += 8 + length;
  }
  return frames;
}

for (const form of ["json", "local"] as const) {
  describe(`engine: reading ${form} logs`, () => {
    let directory: string;
    let source: LogSource;
    let isEnded = true;
    const file = (number: number) => (form === "json" ? (number === 3 ? source.path : `${source.path}.${3 - number}`) : `${source.path}.${number}`);
    beforeEach(() => {
      directory = mkdtempSync(join(tmpdir(), "skein-log-"));
      isEnded = true;
      source = { path: join(directory, "log"), form, hasEnded: () => isEnded, clock: systemClock };
    });
    afterEach(() => rmSync(directory, { recursive: true, force: true }));
    const frames = async (options: Omit<LogFrameOptions, "details"> & { isTty?: boolean } = {}) => {
      const parts: Buffer[] = [];
      for await (const bytes of readFrames(source, { isTty: false, ...options })) parts.push(bytes);
      return Buffer.concat(parts);
    };
    const lines = (options = {}) => linesOf(readLines(source, options));
    /** Three files, oldest first, of so many lines each. */
    const threeFiles = (each: number) => { for (const number of [1, 2, 3]) writeFileSync(file(number), Buffer.concat(Array.from({ length: each }, (_, i) => record(form, `${number}.${i}\n`, { at: second((number - 1) * each + i) })))); };

    it("gives Docker's frames: every text comes back as it was", async () => {
      const texts = ["plain\n", "\n", "", 'quote " backslash \\ tab \t return \r bell \x07 rubout \x7f\n', "ends in a backslash\\\n", "no newline but \\n", "\\\\n\n", "ünïcödé 漢字 🪿\n", `${"long ".repeat(3000)}\n`, '{"log":"nested\\n","stream":"stderr","time":"2026-01-01T00:00:00.000000001Z"}\n'];
      writeFileSync(file(3), Buffer.concat(texts.map((text, i) => record(form, text, { stream: i % 2 ? "stderr" : "stdout" }))));
      assert.deepEqual(framesOf(await frames()), texts.map((text, i) => `${i % 2 ? 2 : 1} ${text}`));
      assert.equal((await frames({ isTty: true })).toString(), texts.join(""));
      assert.deepEqual(framesOf(await frames({ stdout: false })).length, texts.length / 2);
    });

    it("puts a time before each line, and only there", async () => {
      writeFileSync(file(3), Buffer.concat([record(form, "begun ", { at: second(1, 5) }), record(form, "ended\n", { at: second(2) }), record(form, "next\n", { at: second(3, 999_999_999) })]));
      assert.deepEqual(framesOf(await frames({ timestamps: true })), ["1 2026-01-01T00:00:01.000000005Z begun ", "1 ended\n", "1 2026-01-01T00:00:03.999999999Z next\n"]);
    });

    it("selects to the nanosecond", async () => {
      writeFileSync(file(3), Buffer.concat([1, 2, 3, 4].map((ns) => record(form, `${ns}\n`, { at: second(7, ns) }))));
      assert.deepEqual(await lines({ sinceNs: second(7, 2), untilNs: second(7, 3) }), ["2", "3"]);
    });

    it("finds the last lines from the end, across files, whatever their size", async () => {
      threeFiles(1000);
      assert.deepEqual(await lines({ tail: 2 }), ["3.998", "3.999"]);
      assert.deepEqual((await lines({ tail: 1001 })).slice(0, 2), ["2.999", "3.0"]);
      assert.equal((await lines({ tail: 3000 })).length, 3000);
      assert.equal((await lines({ tail: 100_000 })).length, 3000);
      assert.deepEqual(await lines({ tail: 0 }), []);
      assert.deepEqual(await lines({ tail: 1, untilNs: second(1500) }), ["2.500"]);
      appendFileSync(file(3), Buffer.concat([record(form, "x".repeat(400_000)), record(form, `${"y".repeat(400_000)}\n`), record(form, "unfinished")]));
      assert.deepEqual((await lines({ tail: 2 })).map((line) => line.length), [800_000, 10]);
    });

    it("counts only the lines that are asked for", async () => {
      writeFileSync(file(3), Buffer.concat(Array.from({ length: 100 }, (_, i) => record(form, `${i}\n`, { stream: i % 10 ? "stdout" : "stderr" }))));
      assert.deepEqual(await lines({ tail: 2, stdout: false }), ["80", "90"]);
    });

    it("passes over damage", async () => {
      writeFileSync(file(3), Buffer.concat([record(form, "a\n"), Buffer.from("garbage, not a record\n\n{}\n[1]\nnull\n"), record(form, "b\n"), record(form, "torn off\n").subarray(0, 20)]));
      assert.deepEqual(await lines(), ["a", "b"]);
    });

    it("follows: what comes, across files, in pieces, until the end", async () => {
      isEnded = false;
      writeFileSync(file(2), record(form, "1\n"));
      if (form === "json") { renameSync(file(2), source.path); }
      const seen: string[] = [];
      const done = (async () => { for await (const { line } of readLines(source, { follow: true, tail: 1 })) seen.push(line.toString()); })();
      await waitFor("the first line", () => seen.length === 1);
      const current = form === "json" ? source.path : file(2);
      const split = record(form, "2\n");
      appendFileSync(current, split.subarray(0, 9));
      appendFileSync(current, split.subarray(9));
      if (form === "json") renameSync(source.path, `${source.path}.1`);
      writeFileSync(file(3), record(form, "3\n"));
      await waitFor("all", () => seen.length === 3);
      isEnded = true;
      await done;
      assert.deepEqual(seen, ["1", "2", "3"]);
    });

    it("ends with what was there when it was asked, though more comes as fast as it is read", async () => {
      const block = Buffer.concat(Array.from({ length: 10_000 }, () => record(form, `${"z".repeat(99)}\n`)));
      appendFileSync(file(3), block);
      let bytes = 0;
      for await (const chunk of readFrames(source, { isTty: false })) {
        bytes += chunk.length;
        assert.ok(bytes <= 10_000 * 108);
        appendFileSync(file(3), block);
      }
      assert.equal(bytes, 10_000 * 108);
    });

    it("gives the last lines while files rotate all the time", async () => {
      let newest = 3;
      const write = () => {
        const whole = join(directory, "new");     // no reader meets an empty file, which would be a log of fewer lines
        writeFileSync(whole, Buffer.concat(Array.from({ length: 20 }, (_, i) => record(form, `${newest}.${i}\n`))));
        renameSync(whole, form === "json" ? source.path : `${source.path}.${newest}`);
      };
      const rotate = () => {
        if (form === "local") rmSync(`${source.path}.${newest - 2}`, { force: true });
        else for (const number of [1, 0]) if (existsSync(number ? `${source.path}.${number}` : source.path)) renameSync(number ? `${source.path}.${number}` : source.path, `${source.path}.${number + 1}`);
        newest++;
        write();
      };
      write();
      let isDone = false;
      const rotating = (async () => { while (!isDone) { rotate(); await new Promise((resolve) => setImmediate(resolve)); } })();
      try {
        for (let i = 0; i < 30; i++) {
          const last = await lines({ tail: 5 });
          const [file] = last[0]!.split(".");
          assert.deepEqual(last, [15, 16, 17, 18, 19].map((n) => `${file}.${n}`));
        }
      } finally { isDone = true; await rotating; }
    });

    it("holds nothing of a large log in memory", async () => {
      const block = Buffer.concat(Array.from({ length: 10_000 }, () => record(form, `${"z".repeat(99)}\n`)));
      for (let i = 0; i < 50; i++) appendFileSync(file(3), block);
      const { size } = statSync(file(3));
      assert.ok(size > 50_000_000);
      let bytes = 0;
      let largest = 0;
      for await (const chunk of readFrames(source, { isTty: false })) { bytes += chunk.length; largest = Math.max(largest, chunk.length); }
      assert.equal(bytes, 50 * 10_000 * 108);
      assert.ok(largest < 2 * 1024 * 1024);
    });

    if (form === "local") {
      it("reads what was compressed, and its last lines", async () => {
        threeFiles(1000);
        execFileSync("gzip", [file(1), file(2)]);
        const all = await lines();
        assert.deepEqual([all.length, all[0], all[1500], all.at(-1)], [3000, "1.0", "2.500", "3.999"]);
        assert.deepEqual((await lines({ tail: 1500 })).slice(0, 1), ["2.500"]);
        assert.deepEqual((await lines({ tail: 2500 })).length, 2500);
        assert.equal((await lines({ tail: 5000 })).length, 3000);
      });
      it("goes on with the next file when its own is compressed and gone meanwhile", async () => {
        isEnded = false;
        writeFileSync(file(1), record(form, "1\n"));
        const seen: string[] = [];
        const done = (async () => { for await (const { line } of readLines(source, { follow: true })) seen.push(line.toString()); })();
        await waitFor("the first line", () => seen.length === 1);
        appendFileSync(file(1), record(form, "2\n"));
        writeFileSync(file(2), record(form, "3\n"));
        execFileSync("gzip", [file(1)]);
        await waitFor("all", () => seen.length === 3);
        isEnded = true;
        await done;
        assert.deepEqual(seen, ["1", "2", "3"]);
      });
    } else {
      it("reads what other programs wrote: fields in another order, attributes, times of every form", async () => {
        writeFileSync(file(3), [
          '{"log":"a\\u003c\\n","stream":"stdout","attrs":{"tag":"x"},"time":"2026-01-01T00:00:01.5Z"}', '{"time":"2026-01-01T01:00:02+01:00","stream":"stderr","log":"\\ud83e\\udebf\\n"}', '{"log":"c\\n","stream":"stdout","time":"2026-01-01T00:00:03Z"}', "",
        ].join("\n"));
        assert.deepEqual(framesOf(await frames({ timestamps: true })), ["1 2026-01-01T00:00:01.500000000Z a<\n", "2 2026-01-01T00:00:02.000000000Z 🪿\n", "1 2026-01-01T00:00:03.000000000Z c\n"]);
      });
    }

    it("never reads beyond what it was given", () => {
      const scanner = scannerOf(form);
      const whole = record(form, "some text\n");
      for (let cut = 0; cut < whole.length; cut++) assert.equal(scanner.next(Buffer.concat([whole.subarray(0, cut), whole]), 0, cut) > cut, false);
      assert.equal(scanner.next(whole, 0, whole.length), whole.length);
    });
  });
}
