import { spawn } from "node:child_process";
import { createGunzip } from "node:zlib";
import { SwarmError } from "../../lib/index.js";
import { feed } from "./feed.js";

/** The bytes inside: gzip and zstd are recognized by their first bytes, everything else passes as it is. */
export async function* decompress(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  let head: Uint8Array = new Uint8Array(0);
  while (head.length < 4) {
    const next = await iterator.next();
    if (next.done) break;
    head = Buffer.concat([head, next.value]);
  }
  const whole = (async function* () {
    if (head.length > 0) yield head;
    for (;;) {
      const next = await iterator.next();
      if (next.done) return;
      yield next.value;
    }
  })();
  if (head[0] === 0x1f && head[1] === 0x8b) yield* gunzip(whole);
  else if (head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd) yield* unzstd(whole);
  else yield* whole;
}

async function* gunzip(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const stream = createGunzip({ chunkSize: 256 * 1024 });
  const feeding = feed(source, stream).catch((error: Error) => stream.destroy(error));
  try {
    for await (const chunk of stream) yield chunk as Buffer;
    await feeding;
  } catch (error) {
    throw new SwarmError("DATA_LOSS", `the gzip data is damaged: ${(error as Error).message}`, { cause: error });
  } finally { stream.destroy(); }
}

async function* unzstd(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const child = spawn("zstd", ["-dcq"], { stdio: ["pipe", "pipe", "pipe"] });
  const exited = new Promise<number>((resolve, reject) => {
    child.on("error", () => reject(new SwarmError("FAILED_PRECONDITION", "zstd data cannot be read: the program \"zstd\" is not installed; install Debian's package zstd")));
    child.on("close", (code) => resolve(code ?? 1));
  });
  let complaint = "";
  child.stderr.on("data", (text) => { complaint = (complaint + String(text)).slice(0, 500); });
  const feeding = feed(source, child.stdin).catch(() => {});
  exited.catch(() => {});
  try {
    for await (const chunk of child.stdout) yield chunk as Buffer;
    await feeding;
    if (await exited !== 0) throw new SwarmError("DATA_LOSS", `the zstd data is damaged: ${complaint.trim()}`);
  } finally { child.kill("SIGKILL"); }
}
