/** One member in a process of its own: opens the node that its parent describes, then does what the parent's messages ask for. */
import { readFileSync } from "node:fs";
import * as grpc from "@grpc/grpc-js";
import { GrpcTransport, RaftNode, type Member, type Raft, type StateMachine } from "raft-ts";
import type { Certificates } from "./certificates.js";

export interface MemberOptions {
  readonly id: number;
  readonly directory: string;
  /** Of every member, by id - 1, on 127.0.0.1. */
  readonly ports: readonly number[];
  readonly certificates: Certificates;
  readonly isFirst: boolean;
}

export type Order =
  | { readonly kind: "open"; readonly options: MemberOptions }
  | { readonly kind: "add"; readonly id: number }
  /** Proposals of so many bytes, so many at a time, for so long or so many in all. */
  | { readonly kind: "load"; readonly inFlight: number; readonly bytes: number; readonly warmUpMs: number; readonly durationMs: number; readonly count?: number }
  /** Proposes until told to stop by its end; tells when each was acknowledged. */
  | { readonly kind: "probe" };

export interface LoadResult { readonly perSecond: number; readonly p50Ms: number; readonly p99Ms: number; readonly cpuMicrosEach: number }
export type Answer = { readonly kind: "done" } | { readonly kind: "result"; readonly result: LoadResult } | { readonly kind: "leader"; readonly id: number | undefined; readonly isReady: boolean };

/** Keeps the sum of what was applied: a store would do more, and all under measure do about the same. */
class Counter implements StateMachine {
  applied = 0;
  apply(entries: readonly { data: Uint8Array }[]): void { this.applied += entries.length; }
  async *snapshot(): AsyncGenerator<Uint8Array> { yield Buffer.from(String(this.applied)); }
  async restore(chunks: AsyncIterable<Uint8Array>): Promise<void> { for await (const chunk of chunks) this.applied = Number(Buffer.from(chunk).toString()); }
}

const contextOf = (port: number): Uint8Array => Buffer.from(String(port));

async function open({ id, directory, ports, certificates, isFirst }: MemberOptions): Promise<Raft> {
  const ca = readFileSync(certificates.ca), certificate = readFileSync(certificates.certificate), key = readFileSync(certificates.key);
  const transport = new GrpcTransport({
    self: id,
    // One certificate for all: who calls is told apart by its user agent. What TLS costs is the same.
    dial: (member: Member) => ({ address: `127.0.0.1:${Buffer.from(member.context).toString()}`, credentials: grpc.credentials.createSsl(ca, key, certificate), channelOptions: { "grpc.primary_user_agent": `member-${id}`, "grpc.ssl_target_name_override": "localhost" } }),
    identify: (call) => Number(/member-(\d+)/.exec(String(call.metadata.get("user-agent")[0]))?.[1]) || undefined,
  });
  const server = new grpc.Server();
  server.addService(transport.service, transport.handlers);
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${ports[id - 1]}`, grpc.ServerCredentials.createSsl(ca, [{ private_key: key, cert_chain: certificate }], true), (error) => { if (error) reject(error); else resolve(); });
  });
  return RaftNode.open({ id, directory, stateMachine: new Counter(), transport, start: isFirst ? { kind: "bootstrap", context: contextOf(ports[id - 1]!) } : { kind: "join" } });
}

async function load(raft: Raft, order: Extract<Order, { kind: "load" }>): Promise<LoadResult> {
  const data = Buffer.alloc(order.bytes, 7);
  const times: number[] = [];
  let isWarm = order.warmUpMs === 0, isOver = false, left = order.count ?? Infinity;
  const worker = async () => {
    while (!isOver && left-- > 0) {
      const start = performance.now();
      await raft.propose(data);
      if (isWarm) times.push(performance.now() - start);
    }
  };
  const workers = Array.from({ length: order.inFlight }, worker);
  if (!isWarm) await new Promise((resolve) => setTimeout(resolve, order.warmUpMs));
  isWarm = true;
  const start = performance.now(), cpu = process.cpuUsage();
  if (order.count === undefined) await new Promise((resolve) => setTimeout(resolve, order.durationMs));
  else await Promise.all(workers);
  const elapsedMs = performance.now() - start, used = process.cpuUsage(cpu), count = times.length;
  isOver = true;
  await Promise.all(workers);
  const sorted = times.slice(0, count).sort((a, b) => a - b);
  return { perSecond: (count * 1_000) / elapsedMs, p50Ms: sorted[count >> 1]!, p99Ms: sorted[Math.floor(count * 0.99)]!, cpuMicrosEach: (used.user + used.system) / count };
}

/** Until the parent ends this process: proposals one after the other, and a word about each that was acknowledged. */
async function probe(raft: Raft): Promise<void> {
  for (;;) {
    await raft.propose(Buffer.from("probe")).then(() => { process.send!({ kind: "done" }); }, () => {});
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

let raft: Raft | undefined;
const answer = (message: Answer) => process.send!(message);
process.on("message", (order: Order) => {
  const carryOut = async () => {
    switch (order.kind) {
      case "open":
        raft = await open(order.options);
        raft.onChange((status) => answer({ kind: "leader", id: status.leader, isReady: status.isReady }));
        return answer({ kind: "done" });
      case "add": await raft!.addMember({ id: order.id, context: contextOf(Number(ports[order.id - 1])) }); return answer({ kind: "done" });
      case "load": return answer({ kind: "result", result: await load(raft!, order) });
      case "probe": return probe(raft!);
    }
  };
  if (order.kind === "open") ports = order.options.ports;
  carryOut().catch((error: Error) => { process.stderr.write(`${error.stack}\n`); process.exit(1); });
});
let ports: readonly number[] = [];
process.on("disconnect", () => process.exit(0));
