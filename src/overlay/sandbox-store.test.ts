import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "../lib/index.js";
import type { SandboxRecord } from "./core/sandbox.js";
import { SandboxStore } from "./sandbox-store.js";

describe("overlay: the records of sandboxes", () => {
  let directory: string;
  beforeEach(() => { directory = mkdtempSync(join(tmpdir(), "skein-sandboxes-")); });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));
  const record = (id: string) => ({ id, interfaces: [] }) as unknown as SandboxRecord;

  it("are read again, without what a killed daemon left half written", async () => {
    const store = new SandboxStore(directory, silentLogger);
    await store.save(record("a"));
    writeFileSync(join(directory, "a.json.tmp"), "{");
    writeFileSync(join(directory, "b.json.tmp"), "");
    assert.deepEqual((await new SandboxStore(directory, silentLogger).load()).map(({ id }) => id), ["a"]);
    assert.deepEqual(readdirSync(directory), ["a.json"]);
  });

  it("leave nothing behind when they cannot be written, and say so", async () => {
    const store = new SandboxStore(directory, silentLogger);
    mkdirSync(join(directory, "a.json"));   // in the record's place
    await assert.rejects(store.save(record("a")), { code: "FAILED_PRECONDITION", message: /^Cannot attach "a" to its networks: its record in/ });
    assert.deepEqual(readdirSync(directory), ["a.json"]);
  });
});
