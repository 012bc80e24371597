import assert from "node:assert/strict";

/** The helper's frames; monitor/spawner.c describes them. */
export const requestKind = { run: 1, kill: 2, mountOverlay: 3, unmount: 4, removeDirectories: 5 } as const;
const answerKind = { output: 1, end: 2 } as const;
const reportFlag = 1;
const leavesFlag = 2;

/** What the helper takes; it refuses larger ones by itself. */
export const maxFrameBytes = 8 * 1024 * 1024;

export interface RunRequest {
  readonly argv: readonly string[];
  /** Undefined: the daemon's own. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly stdin?: string | Uint8Array;
  /** Bytes of each output that are sent; the rest is read and dropped. */
  readonly outputLimitBytes: number;
  /** It leaves by itself and reports on file descriptor 3: a monitor. */
  readonly isMonitor?: boolean;
  /** What it leaves behind is meant to hold its output: it is over when it has exited. */
  readonly leavesChildren?: boolean;
}

/** Paths of layers are relative to `directory`, the topmost layer first. */
export interface OverlayMount { readonly target: string; readonly directory: string; readonly lower: readonly string[]; readonly upper: string; readonly work: string }

export function encodeRun(id: number, request: RunRequest): Buffer {
  const stdin = typeof request.stdin === "string" ? Buffer.from(request.stdin) : Buffer.from(request.stdin ?? []);
  return frame(id, requestKind.run, [
    Buffer.of((request.isMonitor ? reportFlag : 0) | (request.leavesChildren ? leavesFlag : 0)), u32(request.outputLimitBytes), ...text(request.cwd ?? ""), ...list(request.argv), u32(request.env ? 1 : 0),
    ...list(Object.entries(request.env ?? {}).map(([name, value]) => `${name}=${value}`)), u32(stdin.length), stdin,
  ]);
}
export const encodeKill = (id: number, target: number, signal: number): Buffer => frame(id, requestKind.kill, [u32(target), u32(signal)]);
export const encodeMountOverlay = (id: number, mount: OverlayMount): Buffer => frame(id, requestKind.mountOverlay, [...text(mount.target), ...text(mount.directory), ...list(mount.lower), ...text(mount.upper), ...text(mount.work)]);
export const encodePaths = (id: number, kind: number, paths: readonly string[]): Buffer => frame(id, kind, list(paths));

function frame(id: number, kind: number, parts: readonly Buffer[]): Buffer {
  const size = parts.reduce((sum, part) => sum + part.length, 5);
  return Buffer.concat([u32(size), u32(id), Buffer.of(kind), ...parts]);
}
function u32(value: number): Buffer { const bytes = Buffer.allocUnsafe(4); bytes.writeUInt32LE(value); return bytes; }
function text(value: string): Buffer[] { const bytes = Buffer.from(`${value}\0`); return [u32(bytes.length - 1), bytes]; }
const list = (values: readonly string[]): Buffer[] => [u32(values.length), ...values.flatMap(text)];

/** Answers out of a byte stream. */
export class AnswerReader {
  #held: Buffer = Buffer.alloc(0);

  constructor(private readonly to: { output(id: number, stream: 1 | 2 | 3, bytes: Buffer): void; end(id: number, code: number, why: string): void }) {}

  feed(bytes: Buffer): void {
    let rest = this.#held.length > 0 ? Buffer.concat([this.#held, bytes]) : bytes;
    while (rest.length >= 4) {
      const size = rest.readUInt32LE(0);
      assert(size >= 5 && size <= maxFrameBytes, "the spawn helper sent a frame of impossible size");
      if (rest.length < 4 + size) break;
      const id = rest.readUInt32LE(4);
      if (rest[8] === answerKind.output) this.to.output(id, rest[9] as 1 | 2 | 3, rest.subarray(10, 4 + size));
      else this.to.end(id, rest.readInt32LE(9), rest.subarray(17, 4 + size - 1).toString());
      rest = rest.subarray(4 + size);
    }
    this.#held = Buffer.from(rest);
  }
}
