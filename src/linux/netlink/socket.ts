import { close, closeSync } from "node:fs";
import { assert } from "../../lib/index.js";
import type { Libc } from "./libc.js";
import { linkOf, oneLink, type LinkRow } from "./route-messages.js";
import { decodeAttributes, decodeMessages, encodeMessages, flagAck, flagDump, flagRequest, textOf, typeDone, typeError, type Message, type Received } from "./message.js";

export const protocolRoute = 0, protocolNetfilter = 12;
const addressFamily = 16, sockRaw = 3, closeOnExec = 0x80000, solNetlink = 270, extendedAck = 11, capAck = 10, receiveBuffer = 8, socketLevel = 1;
const enobufs = 105, eintr = 4, eagain = 11, enodev = 19;
const dontWait = 0x40, truncated = 0x20;
const datagramBytes = 262_144;

/** The kernel's refusal of one message of a change. */
export class NetlinkError extends Error {
  constructor(readonly errno: number, readonly index: number, message: string) { super(message); this.name = "NetlinkError"; }
}

/**
 * A netlink socket of the namespace in which it was opened, for as long as it lives. The kernel carries a change out within the call that sends it, and
 * its answers wait in the socket when that returns: nothing here waits. Being synchronous is the point: microseconds, and nothing runs in between.
 */
export class NetlinkSocket {
  static readonly #buffer = Buffer.alloc(datagramBytes);
  #sequence = 1;
  #fd: number;

  constructor(private readonly libc: Libc, readonly protocol: number) {
    this.#fd = libc.socket(addressFamily, sockRaw | closeOnExec, protocol);
    if (this.#fd < 0) throw new Error(`cannot open a netlink socket: ${libc.errorOf(libc.errno())}`);
    const on = Buffer.from([1, 0, 0, 0]);
    for (const option of [extendedAck, capAck]) libc.setsockopt(this.#fd, solNetlink, option, on, 4);
    const size = Buffer.alloc(4);
    size.writeUInt32LE(4 * 1024 * 1024);
    libc.setsockopt(this.#fd, socketLevel, receiveBuffer, size, 4);
    const address = Buffer.alloc(12);
    address.writeUInt16LE(addressFamily, 0);
    if (libc.bind(this.#fd, address, address.length) < 0) { this.close(); throw new Error(`cannot bind a netlink socket: ${libc.errorOf(libc.errno())}`); }
  }

  close(): void { if (this.#fd >= 0) closeSync(this.#fd); this.#fd = -1; }

  /** In a thread of the pool: closing a socket that has deleted rules waits 12 ms for the kernel (RCU). */
  closeLater(): void { if (this.#fd >= 0) close(this.#fd, () => {}); this.#fd = -1; }

  /** All messages in one datagram; throws the first refusal. Those before it are done (rtnetlink), or none is (an nftables batch). */
  change(messages: readonly Message[], tolerated: (errno: number, index: number) => boolean = () => false): void {
    if (messages.length === 0) return;
    const { first, bytes } = this.#encode(messages);
    this.#send(bytes);
    this.#hearAll(messages, first, tolerated);
  }

  /** The same in a thread of the pool, for what the kernel takes long over: nothing else may use this socket meanwhile. */
  async changeLater(messages: readonly Message[]): Promise<void> {
    const { first, bytes } = this.#encode(messages);
    const sent = await this.libc.sendtoLater(this.#fd, bytes);
    if (sent.size < 0) throw new Error(`cannot send to netlink: ${this.libc.errorOf(sent.errno)}`);
    this.#hearAll(messages, first, () => false);
  }

  static async changeAside(libc: Libc, protocol: number, messages: readonly Message[]): Promise<void> {
    const socket = new NetlinkSocket(libc, protocol);
    try { await socket.changeLater(messages); } finally { socket.close(); }
  }

  /** One link by name, undefined where there is none. */
  link(name: string): LinkRow | undefined {
    const sequence = this.#sequence++;
    this.#send(encodeMessages([{ ...oneLink(name), flags: flagRequest }], sequence));
    for (const received of this.#receiveAll(() => true)) {
      if (received.sequence !== sequence) continue;
      if (received.type !== typeError) return linkOf(received);
      const errno = -received.body.readInt32LE(0);
      if (errno === enodev) return undefined;
      throw new NetlinkError(errno, 0, this.#reasonOf(received, errno));
    }
    return undefined;
  }

  #encode(messages: readonly Message[]): { first: number; bytes: Buffer } {
    const first = this.#sequence;
    this.#sequence += messages.length;
    return { first, bytes: encodeMessages(messages.map((m) => ({ ...m, flags: m.flags | flagRequest })), first) };
  }

  #hearAll(messages: readonly Message[], first: number, tolerated: (errno: number, index: number) => boolean): void {
    const waiting = new Set(messages.flatMap((m, index) => (m.flags & flagAck ? [first + index] : [])));
    let refusal: NetlinkError | undefined;
    for (const received of this.#receiveAll(() => waiting.size > 0)) {
      const index = received.sequence - first;
      if (received.type !== typeError || index < 0 || index >= messages.length) continue;
      waiting.delete(received.sequence);
      const errno = -received.body.readInt32LE(0);
      if (errno === 0 || tolerated(errno, index)) continue;
      if (!refusal || index < refusal.index) refusal = new NetlinkError(errno, index, this.#reasonOf(received, errno));
    }
    if (refusal) throw refusal;
  }

  /** Every object of a kind. */
  dump(type: number, body: Buffer): Received[] {
    for (let attempt = 0; ; attempt++) {
      const sequence = this.#sequence++;
      this.#send(encodeMessages([{ type, flags: flagRequest | flagDump, body }], sequence));
      const found: Received[] = [];
      let isDone = false, isInterrupted = false;
      for (const received of this.#receiveAll(() => !isDone)) {
        if (received.sequence !== sequence) continue;
        if (received.flags & 0x10) isInterrupted = true;   // NLM_F_DUMP_INTR: the table changed underneath
        if (received.type === typeDone) isDone = true;
        else if (received.type === typeError) throw new NetlinkError(-received.body.readInt32LE(0), 0, this.#reasonOf(received, -received.body.readInt32LE(0)));
        else found.push(received);
      }
      if (!isInterrupted || attempt === 4) return found;
    }
  }

  /** The same in pieces, between which other work goes on: for tables that may be long. What changes meanwhile may be missed. */
  async *dumpSlowly(type: number, body: Buffer): AsyncGenerator<Received[]> {
    const sequence = this.#sequence++;
    this.#send(encodeMessages([{ type, flags: flagRequest | flagDump, body }], sequence));
    for (;;) {
      const piece = this.#receive().filter((received) => received.sequence === sequence);
      const failed = piece.find((received) => received.type === typeError);
      if (failed) throw new NetlinkError(-failed.body.readInt32LE(0), 0, this.#reasonOf(failed, -failed.body.readInt32LE(0)));
      yield piece.filter((received) => received.type !== typeDone);
      if (piece.some((received) => received.type === typeDone)) return;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #reasonOf(received: Received, errno: number): string {
    // NETLINK_EXT_ACK: after the error and the header of the refused message come attributes, 1 of which is a sentence.
    const said = received.flags & 0x200 ? textOf(decodeAttributes(received.body.subarray(4 + 16)).get(1)) : "";
    return said ? `${this.libc.errorOf(errno)} (${said})` : this.libc.errorOf(errno);
  }

  #send(bytes: Buffer): void {
    const sent = this.libc.sendto(this.#fd, bytes, bytes.length, 0, null, 0);
    if (sent < 0) throw new Error(`cannot send to netlink: ${this.libc.errorOf(this.libc.errno())}`);
    assert(sent === bytes.length, "netlink takes a datagram whole");
  }

  *#receiveAll(isWanted: () => boolean): Generator<Received> { while (isWanted()) yield* this.#receive(); }

  /** One datagram. */
  #receive(): Received[] {
    for (;;) {
      // MSG_TRUNC makes the kernel tell the whole length, so that a cut datagram cannot pass for a whole one.
      const size = Number(this.libc.recv(this.#fd, NetlinkSocket.#buffer, datagramBytes, dontWait | truncated));
      if (size >= 0) {
        assert(size <= datagramBytes, "a netlink datagram fits the buffer");
        return decodeMessages(Buffer.from(NetlinkSocket.#buffer.subarray(0, size)));
      }
      const errno = this.libc.errno();
      if (errno === eintr) continue;
      if (errno === eagain) throw new Error("the kernel did not answer a netlink message");
      if (errno === enobufs) throw new Error("answers of netlink were lost: its buffer is full");
      throw new Error(`cannot receive from netlink: ${this.libc.errorOf(errno)}`);
    }
  }
}
