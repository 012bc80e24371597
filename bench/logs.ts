/** logs: reading a log of 1 GB: as Docker's frames in bulk, line by line, its last lines, and through the Docker API. */
import { execFileSync, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { systemClock } from "../src/lib/index.js";
import { readFrames, readLines, type LogSource } from "../src/engine/logs/read-log.js";
import type { LogForm } from "../src/engine/logs/record-scanner.js";
import { busyboxImage, dockerSave } from "../scripts/base-images.js";
import { apiCall } from "./docker-client.js";
import { note, report } from "./report.js";
import { openSkeinEngine } from "./skein-engine.js";

const gigabyte = 1_000_000_000;
const lineBytes = 120;

const line = Buffer.from("2026-01-01 12:00:00 INFO  request GET /api/v1/items/4711 took 12.7 ms, 200, 5421 bytes, client 10.1.2.3 and so on.".padEnd(lineBytes, ".").slice(0, lineBytes));
const time = "2026-01-01T12:00:00.123456789Z";

function record(form: LogForm): Buffer {
  if (form === "json") return Buffer.from(`{"log":"${line.toString()}\\n","stream":"stdout","time":"${time}"}\n`);
  const head = Buffer.alloc(14);
  head[0] = 0xd7;
  head.writeUInt32BE(line.length, 2);
  head.writeBigUInt64BE(BigInt(Date.parse(time)) * 1_000_000n, 6);
  return Buffer.concat([head, line, head.subarray(2, 6)]);
}

function write(path: string, form: LogForm, bytes: number): void {
  const one = record(form);
  const block = Buffer.concat(Array.from({ length: 8192 }, () => one));
  const file = openSync(path, "w");
  for (let written = 0; written < bytes; written += block.length) writeSync(file, block);
  closeSync(file);
}

const directory = mkdtempSync(join(tmpdir(), "skein-bench-logs-"));
const memory = () => process.memoryUsage().rss;
try {
  for (const form of ["json", "local"] as const) {
    const source: LogSource = { path: join(directory, `${form}.log`), form, hasEnded: () => true, clock: systemClock };
    const file = form === "json" ? source.path : `${source.path}.1`;
    note(`writing 1 GB of ${form}`);
    write(file, form, gigabyte);
    const { size } = statSync(file);
    for (const timestamps of [false, true]) {
      const before = memory();
      let most = before;
      let sent = 0;
      const began = performance.now();
      for await (const bytes of readFrames(source, { isTty: false, timestamps })) { sent += bytes.length; most = Math.max(most, memory()); }
      const seconds = (performance.now() - began) / 1000;
      const name = `${form}${timestamps ? ", timestamps" : ""}`;
      report({ bench: "logs", case: `frames of 1 GB, ${name}`, metric: "read", value: size / 1e6 / seconds, unit: "MB/s", peer: "floor", peerValue: 200 });
      report({ bench: "logs", case: `frames of 1 GB, ${name}`, metric: "sent", value: sent / 1e6 / seconds, unit: "MB/s", peer: "floor", peerValue: 200 });
      report({ bench: "logs", case: `frames of 1 GB, ${name}`, metric: "memory", value: (most - before) / 1024 ** 2, unit: "MiB" });
    }
    let lines = 0;
    let began = performance.now();
    for await (const _ of readLines(source, {})) lines++;
    report({ bench: "logs", case: `lines of 1 GB, ${form}`, metric: "rate", value: lines / ((performance.now() - began) / 1000), unit: "lines/s" });
    began = performance.now();
    for await (const _ of readFrames(source, { isTty: false, tail: 100 })) { /* only its time counts */ }
    report({ bench: "logs", case: `last 100 lines of 1 GB, ${form}`, metric: "time", value: performance.now() - began, unit: "ms" });
    execFileSync("rm", [file]);
  }
} finally { rmSync(directory, { recursive: true, force: true }); }

// Through the socket, as `docker logs` reads it: another program takes the bytes and drops them. The daemon's memory is looked at meanwhile.
const engine = await openSkeinEngine();
try {
  await apiCall(engine.socket, "POST", "/images/load?quiet=1", Readable.from(dockerSave(await busyboxImage())));
  const { Id } = await apiCall<{ Id: string }>(engine.socket, "POST", "/containers/create", { Image: "busybox", Cmd: ["true"] });
  const { LogPath } = await apiCall<{ LogPath: string }>(engine.socket, "GET", `/containers/${Id}/json`);
  note("writing 1 GB of json");
  write(LogPath, "json", gigabyte);
  const rss = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${engine.pid}/status`, "utf8"))![1]) / 1024;
  const before = rss();
  let most = before;
  const watching = setInterval(() => { most = Math.max(most, rss()); }, 50);
  const began = performance.now();
  await new Promise<void>((resolve, reject) => {
    const client = spawn("curl", ["--silent", "--output", "/dev/null", "--unix-socket", engine.socket, `http://skein/v1.47/containers/${Id}/logs?stdout=1&stderr=1`], { stdio: "ignore" });
    client.on("error", reject).on("exit", (code) => (code === 0 ? resolve() : reject(new Error(`curl ended with ${code}`))));
  });
  const seconds = (performance.now() - began) / 1000;
  clearInterval(watching);
  report({ bench: "logs", case: "1 GB through the Docker API, json", metric: "read", value: gigabyte / 1e6 / seconds, unit: "MB/s", peer: "floor", peerValue: 200 });
  report({ bench: "logs", case: "1 GB through the Docker API, json", metric: "memory", value: most - before, unit: "MiB" });
} finally { await engine.down(); }
