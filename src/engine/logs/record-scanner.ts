/** The forms in which a monitor writes a log (monitor/log-record.c). */
export type LogForm = "json" | "local";

/** A moment, in the ways in which records are compared with it. */
export interface TimeLimit { readonly text: Buffer; readonly ns: bigint; readonly high: number; readonly low: number }

export function timeLimit(ns: bigint): TimeLimit {
  const bounded = ns < 0n ? 0n : ns;
  return { text: Buffer.from(timeText(bounded)), ns: bounded, high: Number(bounded >> 32n), low: Number(bounded & 0xffff_ffffn) };
}

/** RFC 3339 with nine digits: such texts sort as the moments do. */
export function timeText(ns: bigint): string {
  const second = new Date(Number(ns / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  return `${second}.${String(ns % 1_000_000_000n).padStart(9, "0")}Z`;
}

/**
 * Finds whole records in bytes and says where their parts are, without making anything: this is what every log line of a host passes through
 * (1 GB of json-file in 2 to 3 s; with JSON.parse it takes 9).
 */
export interface RecordScanner {
  /** The record that begins at `from`: the offset behind it, or -1 if not all of it is here. */
  next(bytes: Buffer, from: number, to: number): number;
  /** The beginning of the record that ends at `end`, or -1 if it begins before `from`. `isStart`: nothing is before `from`. */
  previous(bytes: Buffer, from: number, end: number, isStart: boolean): number;
  // Of the record that `next` found:
  /** False: it is damaged; only its length is known. */
  readonly isWhole: boolean;
  readonly stream: "stdout" | "stderr";
  /** It ends its line; otherwise the line goes on in the stream's next record. */
  readonly endsLine: boolean;
  /** At most so many bytes are the line's part. */
  readonly maxBytes: number;
  /** Writes the line's part, without its newline, and returns the offset behind it. */
  copyTo(target: Buffer, at: number): number;
  /** Thirty characters. */
  copyTimeTo(target: Buffer, at: number): number;
  time(): string;
  isBefore(limit: TimeLimit): boolean;
  isAfter(limit: TimeLimit): boolean;
}

export const timeBytes = 30;
export const scannerOf = (form: LogForm): RecordScanner => (form === "json" ? new JsonScanner() : new LocalScanner());

const backslash = 0x5c;
const quote = 0x22;
const newline = 0x0a;

/** docker's json-file. Records as our monitor writes them are taken apart at known places; any other order of fields by JSON.parse. */
class JsonScanner implements RecordScanner {
  isWhole = false;
  stream: "stdout" | "stderr" = "stdout";
  endsLine = false;
  maxBytes = 0;
  #bytes: Buffer = Buffer.alloc(0);
  #from = 0;
  #to = 0;
  #hasEscapes = false;
  #timeFrom = 0;
  #timeBytes: Buffer = this.#bytes;

  next(bytes: Buffer, from: number, to: number): number {
    // A plain loop: lines are short, and a call of Buffer's own indexOf is worth 100 bytes of it.
    const start = from + 8;
    let escape = start;
    while (escape < to) { const c = bytes[escape]!; if (c === backslash || c === newline) break; escape++; }
    let end = escape;
    // Usually the first escape is the newline, and what is behind it has always the same length.
    if (end + 62 < to && bytes[end] === backslash && bytes[end + 2] === quote && bytes[end + 62] === newline && bytes[end + 61] === 0x7d) end += 62;
    else if (end >= to || bytes[end] !== newline) end = bytes.indexOf(newline, from);
    if (end < 0 || end >= to) return -1;
    if (bytes[from] === newline) end = from;
    if (!this.#asWritten(bytes, from, end, escape)) this.#asJson(bytes, from, end);
    return end + 1;
  }

  previous(bytes: Buffer, from: number, end: number, isStart: boolean): number {
    const before = end - 2 < from ? -1 : bytes.lastIndexOf(newline, end - 2);
    if (before >= from) return before + 1;
    return isStart ? from : -1;
  }

  copyTo(target: Buffer, at: number): number {
    if (!this.#hasEscapes) {
      const length = this.#to - this.#from;
      if (length > 48) { this.#bytes.copy(target, at, this.#from, this.#to); return at + length; }
      const bytes = this.#bytes;
      for (let i = this.#from, end = this.#to; i < end; i++) target[at++] = bytes[i]!;
      return at;
    }
    return unescape(this.#bytes, this.#from, this.#to, target, at);
  }

  copyTimeTo(target: Buffer, at: number): number {
    const bytes = this.#timeBytes;
    for (let i = this.#timeFrom, end = i + timeBytes; i < end; i++) target[at++] = bytes[i]!;
    return at;
  }
  time(): string { return this.#timeBytes.toString("latin1", this.#timeFrom, this.#timeFrom + timeBytes); }
  isBefore(limit: TimeLimit): boolean { return this.#timeBytes.compare(limit.text, 0, timeBytes, this.#timeFrom, this.#timeFrom + timeBytes) < 0; }
  isAfter(limit: TimeLimit): boolean { return this.#timeBytes.compare(limit.text, 0, timeBytes, this.#timeFrom, this.#timeFrom + timeBytes) > 0; }

  /** {"log":"…","stream":"stdout","time":"2026-01-01T00:00:00.000000001Z"}: 8 bytes before the text, 60 behind it. */
  #asWritten(bytes: Buffer, from: number, end: number, escape: number): boolean {
    const close = end - 60;
    const start = from + 8;
    if (close < start || bytes[from] !== 0x7b || bytes[from + 2] !== 0x6c || bytes[from + 4] !== 0x67 || bytes[from + 7] !== quote) return false;
    if (bytes[close] !== quote || bytes[close + 1] !== 0x2c || bytes[close + 3] !== 0x73 || bytes[close + 11] !== quote) return false;
    if (bytes[close + 19] !== 0x2c || bytes[close + 21] !== 0x74 || bytes[close + 26] !== 0x3a || bytes[end - 3] !== 0x5a || bytes[end - 2] !== quote || bytes[end - 1] !== 0x7d) return false;
    const kind = bytes[close + 15];      // std[o]ut, std[e]rr
    if (kind !== 0x6f && kind !== 0x65) return false;
    this.isWhole = true;
    this.stream = kind === 0x6f ? "stdout" : "stderr";
    this.#bytes = this.#timeBytes = bytes;
    this.#from = start;
    this.#timeFrom = end - 32;
    this.#hasEscapes = escape < close - 2;
    this.endsLine = close - start >= 2 && bytes[close - 1] === 0x6e && bytes[close - 2] === backslash && (!this.#hasEscapes || isOdd(bytes, start, close - 2));
    // A text that ends in one escape, but in another than \n.
    if (!this.endsLine && escape < close) this.#hasEscapes = true;
    this.#to = this.endsLine ? close - 2 : close;
    this.maxBytes = this.#to - start;
    return true;
  }

  #asJson(bytes: Buffer, from: number, end: number): void {
    this.isWhole = false;
    let json: { log?: unknown; stream?: unknown; time?: unknown };
    try { json = JSON.parse(bytes.toString("utf8", from, end)) as typeof json; } catch { return; }   // torn, by a power cut
    if (typeof json?.log !== "string" || typeof json.time !== "string") return;
    const time = wholeTime(json.time);
    if (!time) return;
    this.isWhole = true;
    this.stream = json.stream === "stderr" ? "stderr" : "stdout";
    this.endsLine = json.log.endsWith("\n");
    this.#bytes = Buffer.from(this.endsLine ? json.log.slice(0, -1) : json.log);
    this.#from = 0;
    this.#to = this.maxBytes = this.#bytes.length;
    this.#hasEscapes = false;
    this.#timeBytes = Buffer.from(time, "latin1");
    this.#timeFrom = 0;
  }
}

/** Nine digits and UTC, whatever was written ("…:00Z", "…:00.5+01:00"). */
function wholeTime(text: string): string | undefined {
  const [, second, fraction = "", zone] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)$/.exec(text) ?? [];
  if (second === undefined) return undefined;
  const utc = zone === "Z" ? second : new Date(Date.parse(second + zone)).toISOString().slice(0, 19);
  return `${utc}.${fraction.padEnd(9, "0")}Z`;
}

/** Is the run of backslashes that ends at `at` of odd length? Then the last of them begins an escape. */
function isOdd(bytes: Buffer, from: number, at: number): boolean {
  let count = 0;
  while (at >= from && bytes[at] === backslash) { count++; at--; }
  return count % 2 === 1;
}

/** A JSON string's contents as UTF-8. */
function unescape(bytes: Buffer, from: number, to: number, target: Buffer, at: number): number {
  for (let i = from; i < to;) {
    const c = bytes[i]!;
    if (c !== backslash) { target[at++] = c; i++; continue; }
    const kind = bytes[i + 1];
    i += 2;
    if (kind !== 0x75) {
      target[at++] = kind === 0x6e ? newline : kind === 0x74 ? 0x09 : kind === 0x72 ? 0x0d : kind === 0x62 ? 0x08 : kind === 0x66 ? 0x0c : kind!;
      continue;
    }
    let code = hex4(bytes, i);
    i += 4;
    if (code >= 0xd800 && code < 0xdc00 && bytes[i] === backslash && bytes[i + 1] === 0x75) {
      const low = hex4(bytes, i + 2);
      if (low >= 0xdc00 && low < 0xe000) { code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00); i += 6; }
    }
    if (code >= 0xd800 && code < 0xe000) code = 0xfffd;
    if (code < 0x80) target[at++] = code;
    else if (code < 0x800) { target[at++] = 0xc0 | (code >> 6); target[at++] = 0x80 | (code & 63); }
    else if (code < 0x10000) { target[at++] = 0xe0 | (code >> 12); target[at++] = 0x80 | ((code >> 6) & 63); target[at++] = 0x80 | (code & 63); }
    else { target[at++] = 0xf0 | (code >> 18); target[at++] = 0x80 | ((code >> 12) & 63); target[at++] = 0x80 | ((code >> 6) & 63); target[at++] = 0x80 | (code & 63); }
  }
  return at;
}

function hex4(bytes: Buffer, at: number): number {
  let value = 0;
  for (let i = at; i < at + 4; i++) {
    const c = bytes[i]!;
    value = value * 16 + (c <= 0x39 ? c - 0x30 : (c | 0x20) - 0x57);
  }
  return value;
}

const mark = 0xd7;
const headBytes = 14;
const tailBytes = 4;
const pieceMaxBytes = 1024 * 1024;   // the monitor writes 16 KiB at most

/** The compact form: lengths at both ends, the bytes as they were. */
class LocalScanner implements RecordScanner {
  isWhole = false;
  stream: "stdout" | "stderr" = "stdout";
  endsLine = false;
  maxBytes = 0;
  #bytes: Buffer = Buffer.alloc(0);
  #from = 0;
  #high = 0;
  #low = 0;
  // The second of the last time that was made into text: most records share it with their neighbours.
  #secondHigh = 0;
  #secondLow = 0;
  #second = Buffer.alloc(20);

  next(bytes: Buffer, from: number, to: number): number {
    if (to - from < headBytes + tailBytes) return -1;
    if (bytes[from] !== mark) return this.#skip(bytes, from, to);
    const length = bytes.readUInt32BE(from + 2);
    if (length > pieceMaxBytes) return this.#skip(bytes, from, to);
    if (from + headBytes + length + tailBytes > to) return -1;
    if (bytes.readUInt32BE(from + headBytes + length) !== length) return this.#skip(bytes, from, to);
    const flags = bytes[from + 1]!;
    this.isWhole = true;
    this.stream = flags & 1 ? "stderr" : "stdout";
    this.endsLine = (flags & 2) === 0;
    this.#bytes = bytes;
    this.#from = from + headBytes;
    this.maxBytes = length;
    this.#high = bytes.readUInt32BE(from + 6);
    this.#low = bytes.readUInt32BE(from + 10);
    return from + headBytes + length + tailBytes;
  }

  previous(bytes: Buffer, from: number, end: number): number {
    if (end - from < headBytes + tailBytes) return -1;
    const start = end - tailBytes - bytes.readUInt32BE(end - tailBytes) - headBytes;
    return start >= from ? start : -1;
  }

  copyTo(target: Buffer, at: number): number { return at + this.#bytes.copy(target, at, this.#from, this.#from + this.maxBytes); }
  copyTimeTo(target: Buffer, at: number): number {
    let nanoseconds = (this.#high - this.#secondHigh) * 0x1_0000_0000 + (this.#low - this.#secondLow);
    if (nanoseconds < 0 || nanoseconds >= 1e9) {
      const ns = (BigInt(this.#high) << 32n) | BigInt(this.#low);
      const second = ns - ns % 1_000_000_000n;
      this.#second.write(timeText(second), "latin1");
      this.#secondHigh = Number(second >> 32n);
      this.#secondLow = Number(second & 0xffff_ffffn);
      nanoseconds = Number(ns - second);
    }
    const second = this.#second;
    for (let i = 0; i < 20; i++) target[at + i] = second[i]!;
    for (let i = 28; i >= 20; i--) { target[at + i] = 0x30 + nanoseconds % 10; nanoseconds = Math.floor(nanoseconds / 10); }
    target[at + 29] = 0x5a;
    return at + timeBytes;
  }
  time(): string { return timeText((BigInt(this.#high) << 32n) | BigInt(this.#low)); }
  isBefore(limit: TimeLimit): boolean { return this.#high < limit.high || (this.#high === limit.high && this.#low < limit.low); }
  isAfter(limit: TimeLimit): boolean { return this.#high > limit.high || (this.#high === limit.high && this.#low > limit.low); }

  /** Damage: to what may be the next record. */
  #skip(bytes: Buffer, from: number, to: number): number {
    this.isWhole = false;
    const next = bytes.indexOf(mark, from + 1);
    return next < 0 || next > to ? to : next;
  }
}
