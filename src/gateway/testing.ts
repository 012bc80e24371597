import { request, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { silentLogger, systemClock } from "../lib/index.js";
import { openEngineRig, type EngineRig } from "../engine/testing.js";
import { startGateway, type Gateway } from "./gateway.js";

export interface Answer<T = any> { readonly status: number; readonly headers: IncomingHttpHeaders; readonly text: string; readonly json: T }

/** A real engine behind a real gateway on a socket of its own; needs root. */
export interface GatewayRig {
  readonly engine: EngineRig;
  readonly gateway: Gateway;
  readonly socketPath: string;
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** The answer's head, its body as it comes. */
  open(method: string, path: string): Promise<IncomingMessage>;
  /** Bytes as written, the connection's answer to its end. */
  raw(text: string | Buffer): Promise<string>;
  connect(): Socket;
  close(): Promise<void>;
}

export async function openGatewayRig(): Promise<GatewayRig> {
  const engine = await openEngineRig();
  const socketPath = join(engine.directory, "docker.sock");
  const gateway = await startGateway({ engine: engine.engine(), log: silentLogger, clock: systemClock, version: "0.0.0", socketPath }).catch(async (error: unknown) => { await engine.close(); throw error; });
  const open = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<IncomingMessage> => new Promise((resolve, reject) => {
    const payload = body === undefined ? undefined : typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    const outgoing = request({ socketPath, method, path, agent: false, headers: { ...(payload === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(payload) }), ...headers } }, resolve);
    outgoing.on("error", reject);
    outgoing.end(payload);
  });
  return {
    engine, gateway, socketPath, open: (method, path) => open(method, path),
    async call(method, path, body, headers) {
      const response = await open(method, path, body, headers);
      const parts: Buffer[] = [];
      for await (const part of response) parts.push(part as Buffer);
      const text = Buffer.concat(parts).toString();
      let json: unknown;
      try { json = JSON.parse(text); } catch { json = undefined; }
      return { status: response.statusCode!, headers: response.headers, text, json };
    },
    connect: () => connect({ path: socketPath, allowHalfOpen: true }),
    async raw(text) {
      const socket = connect(socketPath);
      const parts: Buffer[] = [];
      socket.on("data", (part) => parts.push(part)).on("error", () => {});
      socket.write(text);
      await new Promise((resolve) => socket.once("close", resolve));
      return Buffer.concat(parts).toString();
    },
    async close() {
      await gateway.close();
      await engine.close();
    },
  };
}

/** Takes Docker's multiplexed frames apart. */
export function parseFrames(bytes: Buffer): { stream: number; text: string }[] {
  const frames: { stream: number; text: string }[] = [];
  for (let at = 0; at + 8 <= bytes.length;) {
    const length = bytes.readUInt32BE(at + 4);
    frames.push({ stream: bytes[at]!, text: bytes.subarray(at + 8, at + 8 + length).toString() });
    at += 8 + length;
  }
  return frames;
}
