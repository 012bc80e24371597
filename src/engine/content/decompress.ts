import { spawn } from "node:child_process";
import { createGunzip } from "node:zlib";
import { SwarmError } from "../../lib/index.js";
import { compressionOf } from "./compress.js";
import { feed } from "./feed.js";

const headBytes = 6;

/** The bytes inside: gzip, zstd, bzip2 and xz are recognized by their first bytes, everything else passes as it is. */
export async function* decompress(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  let head: Uint8Array = new Uint8Array(0);
  while (head.length < headBytes) {
    const next = await iterator.next();
    if (next.done) break;
    head = Buffer.concat([head, next.value]);
  }
  const whole = (async function* () {
    try {
      if (head.length > 0) yield head;
      for (;;) {
        const next = await iterator.next();
        if (next.done) return;
        yield next.value;
      }
    } finally { await iterator.return?.(); }
  })();
  const compression = compressionOf(head);
  switch (compression) {
    case "gzip": yield* gunzip(whole); break;
    case "zstd": case "bzip2": case "xz": yield* byProgram(compression, whole); break;
    case "none": yield* whole; break;
  }
}

async function* gunzip(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const stream = createGunzip({ chunkSize: 256 * 1024 });
  let broken: { readonly error: unknown } | undefined;   // the source's own failure is not the data's
  const feeding = feed(source, stream, (error) => { broken = { error }; }).catch((error: Error) => stream.destroy(error));
  try {
    for await (const chunk of stream) yield chunk as Buffer;
    await feeding;
  } catch (error) {
    if (broken) throw broken.error;
    throw new SwarmError("DATA_LOSS", `the gzip data is damaged: ${(error as Error).message}`, { cause: error });
  } finally { stream.destroy(); }
}

const packages = { zstd: "zstd", bzip2: "bzip2", xz: "xz-utils" } as const;

async function* byProgram(program: keyof typeof packages, source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const child = spawn(program, ["-dcq"], { stdio: ["pipe", "pipe", "pipe"] });
  const exited = new Promise<number>((resolve, reject) => {
    child.on("error", () => reject(new SwarmError("FAILED_PRECONDITION", `${program} data cannot be read: the program "${program}" is not installed; install Debian's package ${packages[program]}`)));
    child.on("close", (code) => resolve(code ?? 1));
  });
  let complaint = "";
  child.stderr.on("data", (text) => { complaint = (complaint + String(text)).slice(0, 500); });
  let broken: { readonly error: unknown } | undefined;
  const feeding = feed(source, child.stdin, (error) => { broken = { error }; child.kill("SIGKILL"); }).catch(() => {});
  exited.catch(() => {});
  try {
    for await (const chunk of child.stdout) yield chunk as Buffer;
    await feeding;
    const code = await exited;
    if (broken) throw broken.error;
    if (code !== 0) throw new SwarmError("DATA_LOSS", `the ${program} data is damaged: ${complaint.trim()}`);
  } finally { child.kill("SIGKILL"); }
}
