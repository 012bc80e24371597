// etcd as the peer: Debian's etcd-server on loopback with the same certificates between its members, loaded by h2load (nghttp2-client), which costs next to nothing beside it.
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Certificates } from "./certificates.js";
import { freePorts } from "./group.js";
import type { LoadResult } from "./member.js";

const run = promisify(execFile);
const programs = ["/usr/bin/etcd", "/usr/bin/h2load"];

/** What is missing to measure etcd, or undefined. */
export const missingForEtcd = (): string | undefined => programs.every((path) => existsSync(path)) ? undefined : "etcd is not measured: install Debian's etcd-server and nghttp2-client for that";

export class Etcd {
  readonly members: ChildProcess[] = [];
  private constructor(private readonly directory: string, private readonly clientPorts: readonly number[]) {}

  static async start(size: number, directory: string, certificates: Certificates): Promise<Etcd> {
    const ports = await freePorts(2 * size);
    const clientPorts = ports.slice(0, size), peerPorts = ports.slice(size);
    const etcd = new Etcd(directory, clientPorts);
    const cluster = peerPorts.map((port, i) => `m${i}=https://127.0.0.1:${port}`).join(",");
    mkdirSync(directory, { recursive: true });
    for (let i = 0; i < size; i++) {
      const client = `http://127.0.0.1:${clientPorts[i]}`, peer = `https://127.0.0.1:${peerPorts[i]}`;
      etcd.members.push(spawn("/usr/bin/etcd", [
        "--name", `m${i}`, "--data-dir", join(directory, `m${i}`), "--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
        "--initial-cluster", cluster, "--log-level", "error", "--peer-client-cert-auth", "--peer-trusted-ca-file", certificates.ca, "--peer-cert-file", certificates.certificate, "--peer-key-file", certificates.key,
      ], { stdio: "ignore" }));
    }
    try { await etcd.leader(); } catch (error) { await etcd.stop(); throw error; }
    return etcd;
  }

  private async post<T>(member: number, path: string, body: object, timeoutMs = 1_000): Promise<T> {
    const response = await fetch(`http://127.0.0.1:${this.clientPorts[member]}/v3/${path}`, { method: "POST", body: JSON.stringify(body), signal: AbortSignal.timeout(timeoutMs) });
    if (!response.ok) throw new Error(`etcd answered ${response.status}`);
    return await response.json() as T;
  }

  /** The place of the leader among the members; waits up to 20 s for one. */
  async leader(): Promise<number> {
    for (let attempt = 0; attempt < 200; attempt++) {
      for (let i = 0; i < this.members.length; i++) {
        try {
          const status = await this.post<{ leader?: string; header: { member_id: string } }>(i, "maintenance/status", {});
          if (status.leader === status.header.member_id) return i;
        } catch { /* not up yet */ }
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error("etcd found no leader within 20 s");
  }

  /** Puts of a value of so many bytes at the leader, so many in flight over up to 8 connections. */
  async load(inFlight: number, bytes: number, durationMs: number): Promise<LoadResult> {
    const connections = Math.min(8, inFlight), leader = await this.leader();
    const body = join(this.directory, "put"), log = join(this.directory, `log-${inFlight}`);
    writeFileSync(body, putFrame(Buffer.from("key"), Buffer.alloc(bytes, 7)));
    const { stdout } = await run("/usr/bin/h2load", [
      "--duration", String(durationMs / 1_000), "--warm-up-time", "1", "-c", String(connections), "-m", String(Math.ceil(inFlight / connections)), "-d", body, "--log-file", log,
      "-H", "content-type: application/grpc", "-H", "te: trailers", `http://127.0.0.1:${this.clientPorts[leader]}/etcdserverpb.KV/Put`,
    ], { maxBuffer: 1 << 24 });
    const perSecond = Number(/finished in .*?, ([\d.]+) req\/s/.exec(stdout)?.[1]);
    const [, succeeded, failed] = /(\d+) succeeded, (\d+) failed/.exec(stdout) ?? [];
    if (!(perSecond > 0) || Number(failed) > 0 || !(Number(succeeded) > 0)) throw new Error(`h2load failed:\n${stdout}`);
    // A line a request: when it began, its status, its microseconds.
    const times = readFileSync(log, "utf8").trimEnd().split("\n").map((line) => Number(line.split("\t")[2]) / 1_000).sort((a, b) => a - b);
    return { perSecond, p50Ms: times[times.length >> 1]!, p99Ms: times[Math.floor(times.length * 0.99)]!, cpuMicrosEach: Number.NaN };
  }

  /** Kills the leader; the time until a survivor acknowledges a put, in ms. */
  async failover(): Promise<number> {
    const leader = await this.leader();
    const survivors = this.members.map((_, i) => i).filter((i) => i !== leader);
    const put = { key: "aw==", value: "dg==" };
    // Connections are open before the clock runs.
    await Promise.all(survivors.map((i) => this.post(i, "kv/put", put)));
    const start = performance.now();
    this.members[leader]!.kill("SIGKILL");
    while (performance.now() - start < 30_000) {
      // A put that a member took while it still believed in the dead leader is answered only when it gives up: others are tried beside it.
      const served = await Promise.race([...survivors.map((i) => this.post(i, "kv/put", put, 500).then(() => true, () => false)), new Promise<false>((resolve) => setTimeout(resolve, 20, false))]);
      if (served) return performance.now() - start;
    }
    throw new Error("etcd served no put within 30 s");
  }

  async stop(): Promise<void> {
    await Promise.all(this.members.map((member) => new Promise<void>((resolve) => {
      if (member.exitCode !== null || member.signalCode !== null) return resolve();
      member.once("exit", () => resolve());
      member.kill("SIGKILL");
    })));
  }
}

/** A PutRequest as gRPC frames it: not compressed, length, then the two fields (key 1, value 2). */
function putFrame(key: Buffer, value: Buffer): Buffer {
  const field = (tag: number, bytes: Buffer) => Buffer.concat([Buffer.from([(tag << 3) | 2, ...varint(bytes.length)]), bytes]);
  const message = Buffer.concat([field(1, key), field(2, value)]);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function varint(value: number): number[] {
  const out: number[] = [];
  for (; value > 0x7f; value >>>= 7) out.push((value & 0x7f) | 0x80);
  return [...out, value];
}
