/**
 * raft: commits per second of raft-ts and their latency, members as processes over mutual TLS, synced; bulk; the loss of a leader. Beside etcd where it is installed.
 *
 *   npm run bench -- raft
 *   npm run bench -- raft --case "3 nodes"       # only the cases whose name contains this
 *   ROUNDS=3 SECONDS=5 FAILOVERS=20 npm run bench -- raft
 *
 * Ours is proposed in the leader's process, etcd's puts come from h2load over plain HTTP/2 on loopback. Both run in turn, in the same minutes, on the same disk.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeCertificates } from "./raft/certificates.js";
import { Etcd, missingForEtcd } from "./raft/etcd.js";
import { Group } from "./raft/group.js";
import type { LoadResult } from "./raft/member.js";
import { median, note, report } from "./report.js";

const rounds = Number(process.env["ROUNDS"] ?? 3);
const seconds = Number(process.env["SECONDS"] ?? 5);
const failovers = Number(process.env["FAILOVERS"] ?? 20);
const only = process.argv.includes("--case") ? process.argv[process.argv.indexOf("--case") + 1] ?? "" : "";
const bytes = 256;
/** SwarmKit's published objects per second, created in batches of 200 with 3 managers. */
const swarmKitBulkPerSecond = 15_820;

const directory = mkdtempSync(join(tmpdir(), "bench-raft-"));
let made = 0;
const fresh = () => join(directory, String(++made));
const certificates = makeCertificates(directory);
const missing = missingForEtcd();
if (missing) note(missing);

async function throughput(size: number): Promise<void> {
  const name = size === 1 ? "1 node" : `${size} nodes`;
  if (!name.includes(only)) return;
  const ours = new Map<number, LoadResult[]>(), theirs = new Map<number, LoadResult[]>();
  for (let round = 0; round < rounds; round++) {
    const group = await Group.start(size, fresh(), certificates);
    try {
      // Both have run for a while, as a daemon has: a fresh process is compiled while it works.
      await group.ask(1, { kind: "load", inFlight: 64, bytes, warmUpMs: 0, durationMs: 3_000 });
      for (const inFlight of [1, 64, 256]) add(ours, inFlight, (await group.ask(1, { kind: "load", inFlight, bytes, warmUpMs: 1_000, durationMs: seconds * 1_000 }))!);
    } finally { await group.stop(); }
    if (missing) continue;
    const etcd = await Etcd.start(size, fresh(), certificates);
    try {
      await etcd.load(64, bytes, 3_000);
      for (const inFlight of [1, 64, 256]) add(theirs, inFlight, await etcd.load(inFlight, bytes, seconds * 1_000));
    } finally { await etcd.stop(); }
    note(`  ${name}, round ${round + 1}: ${[1, 64, 256].map((n) => `${n} in flight ${Math.round(ours.get(n)!.at(-1)!.perSecond)} / ${Math.round(theirs.get(n)!.at(-1)!.perSecond)} per s`).join(", ")}`);
  }
  for (const [inFlight, results] of ours) {
    const peers = theirs.get(inFlight);
    const line = (metric: string, unit: string, of: (result: LoadResult) => number) => report({ bench: "raft", case: `${name}, ${inFlight} in flight`, metric, value: median(results.map(of)), unit, ...(peers && { peer: "etcd 3.4", peerValue: median(peers.map(of)) }) });
    line("commits", "per s", (result) => result.perSecond);
    line("p50", "ms", (result) => result.p50Ms);
    line("p99", "ms", (result) => result.p99Ms);
    report({ bench: "raft", case: `${name}, ${inFlight} in flight`, metric: "leader's processor time", value: median(results.map((result) => result.cpuMicrosEach)), unit: "µs per commit" });
  }
}

function add<T>(map: Map<number, T[]>, key: number, value: T): void { map.set(key, [...(map.get(key) ?? []), value]); }

/** 10,000 objects of 300 bytes in batches of 200: a batch is an entry. */
async function bulk(): Promise<void> {
  if (!"bulk".includes(only)) return;
  for (const inFlight of [1, 8]) {
    const results: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const group = await Group.start(3, fresh(), certificates);
      try {
        await group.ask(1, { kind: "load", inFlight, bytes: 200 * 300, warmUpMs: 0, durationMs: 0, count: 50 });
        results.push(200 * (await group.ask(1, { kind: "load", inFlight, bytes: 200 * 300, warmUpMs: 0, durationMs: 0, count: 50 }))!.perSecond);
      } finally { await group.stop(); }
    }
    report({ bench: "raft", case: `bulk, ${inFlight} in flight`, metric: "objects of 300 bytes in batches of 200, 3 nodes", value: median(results), unit: "per s", peer: "SwarmKit, published", peerValue: swarmKitBulkPerSecond });
  }
}

async function failover(): Promise<void> {
  if (!"failover".includes(only)) return;
  const elected: number[] = [], served: number[] = [], theirs: number[] = [];
  for (let round = 0; round < failovers; round++) {
    const group = await Group.start(3, fresh(), certificates);
    try {
      await group.ask(1, { kind: "load", inFlight: 16, bytes, warmUpMs: 0, durationMs: 0, count: 500 });
      const result = await group.failover(1);
      elected.push(result.electedMs);
      served.push(result.servedMs);
    } finally { await group.stop(); }
    if (!missing && round < 10) {
      const etcd = await Etcd.start(3, fresh(), certificates);
      try { theirs.push(await etcd.failover()); } finally { await etcd.stop(); }
    }
  }
  note(`  served again after ${served.map(Math.round).join(", ")} ms; etcd ${theirs.map(Math.round).join(", ")} ms`);
  const peer = (of: (values: readonly number[]) => number) => (theirs.length > 0 ? { peer: "etcd 3.4", peerValue: of(theirs) } : {});
  report({ bench: "raft", case: "failover", metric: "leader killed to new leader, median", value: median(elected), unit: "ms" });
  report({ bench: "raft", case: "failover", metric: "leader killed to next commit, median", value: median(served), unit: "ms", ...peer(median) });
  report({ bench: "raft", case: "failover", metric: `leader killed to next commit, worst of ${failovers}`, value: Math.max(...served), unit: "ms", ...peer((values) => Math.max(...values)) });
}

try {
  await throughput(1);
  await throughput(3);
  await bulk();
  await failover();
} finally { rmSync(directory, { recursive: true, force: true }); }
