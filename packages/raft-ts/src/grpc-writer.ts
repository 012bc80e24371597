// What goes out on one stream. A message leaves whole or not at all: whether there is room for it is decided before its first byte is written. Little is handed to the stream at a time
// and the rest waits here, because what a gRPC stream has taken nothing can overtake: a heartbeat behind a large entry would come too late.
import { mayOvertake } from "./codec.js";
import { maxMessageBytes, type Frame } from "./grpc-frames.js";

/** A gRPC stream of either side. `sent` is called when the frame has left this process, or soon will have. */
export interface FrameStream {
  readonly writable: boolean;
  write(frame: Frame, sent: (error?: Error | null) => void): unknown;
  end(): unknown;
}

/** Above this the stream is stuck: what is sent meanwhile is dropped, and Raft sends it again. */
const maxQueuedBytes = 16 * 1024 * 1024;
/** So little is waiting that one message of any size is taken, else those above `maxQueuedBytes` would never leave. */
const nearlyEmptyBytes = 1024 * 1024;
/** A message above it leaves in parts of this size; small ones are put together up to it. Two of these stand before a heartbeat at most, beside what the connection holds. */
export const frameBytes = 256 * 1024;
const windowBytes = frameBytes;
const smallBytes = 256;

export class FrameWriter {
  /** Handed to the stream, which has not sent it yet. */
  private writtenBytes = 0;
  /** Messages that wait, from `next` on; the first bytes of that one, up to `offset`, are written. */
  private waiting: Uint8Array[] = [];
  private next = 0;
  private offset = 0;
  private waitingBytes = 0;
  private largeMessages = 0;
  private hasToldOfTooLarge = false;

  constructor(private readonly stream: FrameStream, private readonly log: (level: "warn", message: string) => void) {}

  /** False: at least one of them was dropped. The array belongs to the writer from now on. */
  send(messages: readonly Uint8Array[]): boolean {
    let bytes = 0;
    for (let i = 0; i < messages.length; i++) bytes += messages[i]!.length;
    // Nearly always: one frame, and nothing made but that.
    if (bytes <= frameBytes && this.writtenBytes < windowBytes && this.waiting.length === 0) { this.write({ messages }, bytes); return true; }
    return this.queue(messages);
  }

  /** Those that may not wait go at once. After the first that finds no room none is queued, for the receiver could do nothing with it. */
  private queue(messages: readonly Uint8Array[]): boolean {
    let hasRoom = true;
    let urgent: Uint8Array[] = [];
    let urgentBytes = 0;
    for (const message of messages) {
      if (message.length <= smallBytes && mayOvertake(message) && this.writtenBytes + urgentBytes < maxQueuedBytes) {
        if (urgentBytes + message.length > frameBytes) { this.write({ messages: urgent }, urgentBytes); urgent = []; urgentBytes = 0; }
        urgent.push(message);
        urgentBytes += message.length;
      } else if (hasRoom && this.hasRoomFor(message.length)) {
        this.waiting.push(message);
        this.waitingBytes += message.length;
      } else hasRoom = false;
    }
    if (urgent.length > 0) this.write({ messages: urgent }, urgentBytes);
    this.pump(windowBytes);
    return hasRoom;
  }

  private hasRoomFor(bytes: number): boolean {
    if (bytes > maxMessageBytes) {
      if (!this.hasToldOfTooLarge) this.log("warn", `Cannot send a raft message of ${bytes} bytes: a receiver takes at most ${maxMessageBytes}; it is dropped`);
      this.hasToldOfTooLarge = true;
      return false;
    }
    const queuedBytes = this.writtenBytes + this.waitingBytes;
    return queuedBytes + bytes <= maxQueuedBytes || queuedBytes <= nearlyEmptyBytes;
  }

  /** Writes what waits as long as the stream holds less than `limitBytes`. The state is changed before each write, which may come back here. */
  private pump(limitBytes: number): void {
    while (this.next < this.waiting.length && this.writtenBytes < limitBytes && this.stream.writable) {
      const message = this.waiting[this.next]!;
      if (message.length > frameBytes) this.writePart(message); else this.writeBatch();
    }
    if (this.next === 0) return;
    // Moved when it pays: the array is as long as what waits, twice at most.
    if (this.next * 2 >= this.waiting.length) { this.waiting.splice(0, this.next); this.next = 0; }
  }

  private writePart(message: Uint8Array): void {
    const { offset } = this;
    if (offset === 0) this.largeMessages++;
    const part = message.subarray(offset, offset + frameBytes);
    const isLastPart = offset + part.length === message.length;
    if (isLastPart) this.next++;
    this.offset = isLastPart ? 0 : offset + part.length;
    this.waitingBytes -= part.length;
    this.write({ part, isLastPart, partOf: this.largeMessages, partOffset: offset }, part.length);
  }

  private writeBatch(): void {
    const from = this.next;
    let bytes = 0;
    for (; this.next < this.waiting.length; this.next++) {
      const { length } = this.waiting[this.next]!;
      if (bytes + length > frameBytes) break;
      bytes += length;
    }
    this.waitingBytes -= bytes;
    this.write({ messages: this.waiting.slice(from, this.next) }, bytes);
  }

  private write(frame: Frame, bytes: number): void {
    this.writtenBytes += bytes;
    this.stream.write(frame, (error) => {
      this.writtenBytes -= bytes;
      if (!error && this.waiting.length > 0) this.pump(windowBytes);
    });
  }

  /** What was sent before still goes out, then the stream ends. */
  end(): void {
    this.pump(Infinity);
    this.stream.end();
  }

  /** The stream is of no more use: nothing more is written. */
  abandon(): void {
    this.waiting = [];
    this.next = 0;
    this.offset = 0;
    this.waitingBytes = 0;
  }
}
