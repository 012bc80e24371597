// A group of real nodes on real disks in one process, for tests.
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Raft, RaftId, RaftOptions, StateMachine, Transport } from "./api.js";
import { RaftNode } from "./node.js";
import { MemoryNetwork } from "./testing.js";

/** The strings that were applied, in order. */
export class ListMachine implements StateMachine {
  values: string[] = [];
  lastIndex = 0;
  restores = 0;
  apply(entries: readonly { index: number; data: Uint8Array }[]): void {
    for (const { index, data } of entries) {
      assert.ok(index > this.lastIndex, `index ${index} comes once, after ${this.lastIndex}`);
      this.lastIndex = index;
      this.values.push(Buffer.from(data).toString());
    }
  }
  async *snapshot(): AsyncGenerator<Uint8Array> {
    const values = this.values.slice();
    for (let at = 0; at < values.length; at += 100) yield Buffer.from(JSON.stringify(values.slice(at, at + 100)));
  }
  async restore(chunks: AsyncIterable<Uint8Array>, index: number): Promise<void> {
    const values: string[] = [];
    for await (const chunk of chunks) values.push(...JSON.parse(Buffer.from(chunk).toString()) as string[]);
    this.values = values;
    this.lastIndex = index;
    this.restores++;
  }
}

export class TestMember {
  constructor(readonly raft: Raft, readonly machine: ListMachine) {}
  propose(value: string): Promise<{ index: number; term: number }> { return this.raft.propose(Buffer.from(value)); }
  values(): string[] { return this.machine.values; }
  leads(): Promise<void> { return until(() => this.raft.status().isReady, "the member leads"); }
}

type Extra = Partial<RaftOptions> & Record<string, unknown>;

export class TestGroup {
  readonly network = new MemoryNetwork(7);
  readonly directory = mkdtempSync(join(tmpdir(), "raft-ts-"));
  private readonly members = new Map<RaftId, TestMember>();
  readonly logs: string[] = [];
  options: Extra = {};
  makeTransport: (id: RaftId) => Transport | Promise<Transport> = (id) => this.network.transport(id);

  directoryOf(id: RaftId): string { return join(this.directory, String(id)); }

  get(id: RaftId): TestMember { const member = this.members.get(id); assert.ok(member, `member ${id} runs`); return member; }
  running(): TestMember[] { return [...this.members.values()]; }

  async start(id: RaftId, start: RaftOptions["start"] = { kind: "join" }, extra: Extra = {}): Promise<TestMember> {
    const machine = new ListMachine();
    const raft = await RaftNode.open({
      id, directory: this.directoryOf(id), stateMachine: machine, transport: await this.makeTransport(id), start,
      tickMs: 20, electionTicks: 10, segmentBytes: 256 * 1024, log: (level, message) => { this.logs.push(`${id} ${level} ${message}`); }, ...this.options, ...extra,
    });
    const member = new TestMember(raft, machine);
    this.members.set(id, member);
    return member;
  }

  bootstrap(id: RaftId): Promise<TestMember> { return this.start(id, { kind: "bootstrap", context: contextOf(id) }); }

  async join(id: RaftId): Promise<TestMember> {
    const leader = await this.leader();
    const member = await this.start(id);
    await leader.raft.addMember({ id, context: contextOf(id) });
    return member;
  }

  /** Members 1 (which leads), 2 and 3. */
  async three(): Promise<TestMember> {
    const one = await this.bootstrap(1);
    await one.leads();
    await this.join(2);
    await this.join(3);
    await this.converge();
    return one;
  }

  /** Ends the member without a word to the others; what was not synced is gone as far as anybody was told. */
  async kill(id: RaftId): Promise<void> {
    const member = this.get(id);
    this.members.delete(id);
    await member.raft.close();
  }

  /** The one that is ready to decide, in the highest term. */
  async leader(among?: readonly RaftId[]): Promise<TestMember> {
    const find = (): TestMember | undefined => [...this.members]
      .filter(([id, m]) => (!among || among.includes(id)) && m.raft.status().isReady)
      .map(([, m]) => m).sort((a, b) => b.raft.status().term - a.raft.status().term)[0];
    await until(() => find() !== undefined, "a leader is there");
    return find()!;
  }

  /** All running members have applied what the leader has. */
  async converge(): Promise<void> {
    const leader = await this.leader();
    const { commitIndex } = leader.raft.status();
    await until(() => this.running().every((m) => m.raft.status().appliedIndex >= commitIndex), "all have applied what is committed");
  }

  async destroy(): Promise<void> {
    for (const id of [...this.members.keys()]) await this.kill(id);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export const contextOf = (id: RaftId): Uint8Array => Buffer.from(`member ${id}`);

export async function until(condition: () => boolean, what: string, limitMs = 10_000): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`Waited ${limitMs} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
