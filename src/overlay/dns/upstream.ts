import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";

const timeoutMs = 2_000;
const mostServers = 3;

/** Asks the servers in turn; the first reply of any kind but a server's own failure counts. Undefined when none answers. */
export async function forward(query: Buffer, servers: readonly string[], transport: "udp" | "tcp"): Promise<Buffer | undefined> {
  let failure: Buffer | undefined;
  for (const server of servers.slice(0, mostServers)) {
    // An id and a source port of our own for each question: a reply cannot be guessed (RFC 5452).
    const id = randomInt(0x10000);
    const ours = Buffer.from(query);
    ours.writeUInt16BE(id, 0);
    const reply = await (transport === "udp" ? askUdp(ours, server, id) : askTcp(ours, server, id)).catch(() => undefined);
    if (!reply) continue;
    query.copy(reply, 0, 0, 2);
    if ((reply[3]! & 0x0f) !== 2) return reply;
    failure = reply;
  }
  return failure;
}

function askUdp(query: Buffer, server: string, id: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(server) ? "udp6" : "udp4");
    const end = (error?: Error, reply?: Buffer) => { clearTimeout(timer); socket.close(); if (reply) resolve(reply); else reject(error); };
    const timer = setTimeout(() => end(new Error("no reply in time")), timeoutMs);
    let isOver = false;
    const once = (error?: Error, reply?: Buffer) => { if (!isOver) { isOver = true; end(error, reply); } };
    socket.on("error", (error) => once(error));
    socket.on("message", (message) => { if (isReplyTo(message, id)) once(undefined, message); });
    // Connected, so that an unreachable server is an error at once and strangers' packets are not delivered.
    socket.connect(53, server, () => { if (!isOver) socket.send(query); });
  });
}

function askTcp(query: Buffer, server: string, id: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: server, port: 53, timeout: timeoutMs });
    let received = Buffer.alloc(0);
    socket.on("error", reject);
    socket.on("timeout", () => socket.destroy(new Error("no reply in time")));
    socket.on("close", () => reject(new Error("closed without a reply")));
    socket.on("connect", () => { const length = Buffer.alloc(2); length.writeUInt16BE(query.length); socket.write(Buffer.concat([length, query])); });
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      const message = Buffer.from(received.subarray(2, 2 + received.readUInt16BE(0)));
      if (isReplyTo(message, id)) resolve(message);
      socket.destroy();
    });
  });
}

const isReplyTo = (message: Buffer, id: number): boolean => message.length >= 12 && message.readUInt16BE(0) === id && (message[2]! & 0x80) !== 0;
