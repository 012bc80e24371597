import type { Terminal } from "../terminal.js";
import type { DockerClient, Hijacked } from "./client.js";

/** Splits Docker's frames ([stream, 0, 0, 0, length u32 big-endian] payload) to standard output and error. */
export async function showFrames(source: AsyncIterable<Uint8Array>, terminal: Terminal): Promise<void> {
  let rest = Buffer.alloc(0);
  for await (const part of source) {
    rest = rest.length > 0 ? Buffer.concat([rest, part]) : Buffer.from(part);
    let at = 0;
    while (rest.length - at >= 8) {
      const length = rest.readUInt32BE(at + 4);
      if (rest.length - at - 8 < length) break;
      await terminal.write(rest[at] === 2 ? "err" : "out", rest.subarray(at + 8, at + 8 + length));
      at += 8 + length;
    }
    rest = rest.subarray(at);
  }
}

export async function showRaw(source: AsyncIterable<Uint8Array>, terminal: Terminal): Promise<void> {
  for await (const part of source) await terminal.write("out", part);
}

export interface SessionOptions {
  readonly terminal: Terminal;
  readonly withInput: boolean;
  /** The other side has a terminal: this one becomes raw, and its size is passed on. */
  readonly isTty: boolean;
  readonly resize?: (size: { h: number; w: number }) => Promise<unknown>;
}

/** Joins this terminal with a process's stream until that stream ends. */
export async function session({ socket, head, isRaw }: Hijacked, options: SessionOptions): Promise<void> {
  const { terminal, withInput, isTty } = options;
  const { input } = terminal;
  const isLocalTty = isTty && withInput && input.isTTY === true;
  const resize = () => { void options.resize?.({ h: terminal.rows, w: terminal.columns }).catch(() => {}); };
  const ends: (() => void)[] = [];
  socket.on("error", () => {});       // its end is seen by the reader
  if (isLocalTty) { input.setRawMode!(true); ends.push(() => input.setRawMode!(false)); }
  if (isTty && terminal.outIsTty) { resize(); ends.push(terminal.onResize(resize)); }
  if (withInput) {
    const onData = (chunk: Buffer) => { if (!socket.write(chunk)) { input.pause(); socket.once("drain", () => input.resume()); } };
    const onEnd = () => { socket.end(); };
    input.on("data", onData).once("end", onEnd);
    input.resume();
    ends.push(() => { input.off("data", onData).off("end", onEnd); input.pause(); input.unref?.(); });
  }
  async function* bytes(): AsyncGenerator<Uint8Array> { if (head.length > 0) yield head; yield* socket as AsyncIterable<Uint8Array>; }
  try {
    await (isRaw || isTty ? showRaw(bytes(), terminal) : showFrames(bytes(), terminal));
  } catch (error) {
    if ((error as { code?: string }).code !== "ECONNRESET" && (error as { code?: string }).code !== "ERR_STREAM_PREMATURE_CLOSE") throw error;
  } finally {
    for (const end of ends) end();
    socket.destroy();
  }
}

export const resizeContainer = (client: DockerClient, id: string) => (size: { h: number; w: number }): Promise<unknown> => client.json("POST", `/containers/${id}/resize`, { query: size });
export const resizeExec = (client: DockerClient, id: string) => (size: { h: number; w: number }): Promise<unknown> => client.json("POST", `/exec/${id}/resize`, { query: size });
