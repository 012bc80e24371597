import { Agent, request } from "node:http";
import type { Readable } from "node:stream";

const agent = new Agent({ keepAlive: true, maxSockets: 64 });

/** One call of the Docker API on a socket; rejects when the answer is an error. Bodies are JSON, or a stream as it is. */
export function apiCall<T = unknown>(socketPath: string, method: string, path: string, body?: object | Readable): Promise<T> {
  const stream = body && "pipe" in body ? body as Readable : undefined;
  const payload = body && !stream ? JSON.stringify(body) : undefined;
  return new Promise((resolve, reject) => {
    const headers = payload ? { "content-type": "application/json", "content-length": Buffer.byteLength(payload) } : stream ? { "content-type": "application/x-tar" } : {};
    const outgoing = request({ socketPath, method, path: `/v1.41${path}`, headers, agent }, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part)).on("error", reject).on("end", () => {
        const text = Buffer.concat(parts).toString("utf8");
        if (response.statusCode! >= 400) return reject(new Error(`${method} ${path}: ${response.statusCode} ${text.slice(0, 300)}`));
        try { resolve((text.startsWith("{") || text.startsWith("[") ? JSON.parse(text.split("\n")[0]!) : text) as T); } catch { resolve(text as T); }
      });
    }).on("error", reject);
    if (stream) stream.pipe(outgoing); else outgoing.end(payload);
  });
}
