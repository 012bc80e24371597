import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { SwarmError, messageOf } from "../lib/index.js";
import { jsonLines, type DockerClient } from "./docker/client.js";
import { showProgress, type Progress } from "./docker/progress-view.js";
import type { Input, Terminal } from "./terminal.js";
import { uploadView } from "./upload-view.js";

export interface Archive { readonly bytes: AsyncIterable<Uint8Array>; /** 0 where it is not known. */ readonly totalBytes: number }

/** A tar archive of this host; "-" is standard input. */
export async function openArchive(path: string, input: Input): Promise<Archive> {
  if (path === "-") return { bytes: input as AsyncIterable<Uint8Array>, totalBytes: 0 };
  const file = await open(path).catch((error: unknown) => { throw new SwarmError("NOT_FOUND", `Cannot open the archive "${path}": ${messageOf(error)}.`, { cause: error }); });
  const stat = await file.stat();
  if (stat.isDirectory()) { await file.close(); throw new SwarmError("INVALID_ARGUMENT", `Cannot load "${path}": it is a directory; give a tar archive.`); }
  return { bytes: createReadStream(path, { fd: file, highWaterMark: 256 << 10 }), totalBytes: stat.size };
}

/** Sends an archive to a host's engine, no faster than it takes it, and shows what it says of it. */
export async function sendArchive(client: DockerClient, path: string, archive: Archive, options: { terminal: Terminal; isQuiet: boolean; signal: AbortSignal }): Promise<string[]> {
  const { terminal, isQuiet, signal } = options;
  const view = uploadView(terminal, isQuiet);
  const counted = async function* () {
    let sent = 0;
    for await (const chunk of archive.bytes) { sent += chunk.length; view.show(sent, archive.totalBytes); yield chunk; }
  };
  const said: string[] = [];
  try {
    const response = await client.upload("POST", path, counted(), { signal });
    const messages = (async function* () { for await (const message of jsonLines<Progress>(response)) { if (message.stream ?? message.status) said.push((message.stream ?? message.status)!.trim()); yield message; } })();
    await showProgress(messages, terminal, true);
  } finally { view.end(); }
  return said;
}

/** Loads images into a host's engine, as "image load" does; the names and ids that it said. */
export async function loadImages(client: DockerClient, path: string, options: { terminal: Terminal; isQuiet: boolean; signal: AbortSignal }): Promise<string[]> {
  const said = await sendArchive(client, "/images/load?quiet=1", await openArchive(path, options.terminal.input), options);
  return said.flatMap((line) => /^Loaded image(?: ID)?: (.+)$/.exec(line)?.[1] ?? []);
}
