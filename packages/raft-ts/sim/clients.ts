// Those who use the group: they write, compare and swap, and read, at the leader or astray, and note what they were told. They do not wait for one answer before they ask again.
import type { Raft } from "../src/api.js";
import { RaftError } from "../src/api.js";
import { check, type Checkers } from "./checkers.js";
import type { Host } from "./host.js";
import type { Operation } from "./linearizability.js";
import type { Plan } from "./plan.js";
import type { Random } from "./random.js";
import { encodeWrite } from "./register-machine.js";
import type { World } from "./world.js";

export class Clients {
  readonly history: Operation[] = [];
  private moment = 0;
  private nextWrite = 1;
  /** The last value that a client saw in each register: what a compare-and-swap expects. */
  private readonly lastSeen: number[];
  isQuiet = false;
  acknowledged = 0;
  answeredReads = 0;
  refused = 0;

  constructor(private readonly world: World, private readonly random: Random, private readonly plan: Plan, private readonly checkers: Checkers, private readonly hosts: ReadonlyMap<number, Host>) {
    this.lastSeen = new Array<number>(plan.load.keys).fill(0);
  }

  start(): void {
    const { load } = this.plan;
    const perSecond = load.writesPerSecond + load.readsPerSecond;
    if (perSecond === 0) return;
    const meanMs = load.burst * 1000 / perSecond;
    const again = (): void => {
      if (this.isQuiet) return;
      this.burst();
      this.world.at(1 + this.random.exponential(meanMs), again);
    };
    this.world.at(1 + this.random.exponential(meanMs), again);
  }

  private burst(): void {
    const host = this.target();
    if (!host) return;
    const { load } = this.plan;
    const { life } = host;
    // They reach the process as its messages do: not while it is paused.
    this.world.perform(() => {
      for (let i = 0; i < load.burst && host.life === life && host.node; i++) {
        const key = this.random.below(load.keys);
        if (this.random.below(load.writesPerSecond + load.readsPerSecond) < load.readsPerSecond) void this.read(host, key);
        else void this.write(host, key, this.random.chance(0.3));
      }
    }, life);
  }

  private target(): Host | undefined {
    const up: Host[] = [];
    const leaders: Host[] = [];
    for (const host of this.hosts.values()) {
      if (!host.node) continue;
      up.push(host);
      if (host.core!.role === "leader") leaders.push(host);
    }
    if (up.length === 0) return undefined;
    return leaders.length > 0 && !this.random.chance(this.plan.load.astray) ? this.random.pick(leaders) : this.random.pick(up);
  }

  /** True: it was acknowledged. */
  async write(host: Host, key: number, isCompare = false): Promise<boolean> {
    const { world } = this;
    const node = host.node as Raft, machine = host.machine!, { life } = host;
    const value = this.nextWrite++;
    const operation: Operation = { key, kind: isCompare ? "compare-and-swap" : "write", value, expected: isCompare ? this.lastSeen[key]! : 0, called: this.moment++, returned: undefined, seen: undefined };
    const padding = this.plan.load.paddingBytes;
    world.touch();
    machine.awaited.set(value, undefined);
    try {
      const proposed = node.propose(encodeWrite({ id: value, key, kind: operation.kind as "write" | "compare-and-swap", expected: operation.expected }, padding === 0 ? 0 : this.random.below(padding)));
      this.history.push(operation);
      const { index, term } = await proposed;
      if (life.isOver) return false;
      this.checkers.acknowledged(value, index, term);
      operation.returned = this.moment++;
      operation.seen = machine.awaited.get(value);
      // A member that got it within a snapshot knows that it was applied, not what was there before.
      check(host.core!.log.applied >= index, "acknowledged after it was applied", () => `write ${value} at ${index} was acknowledged by member ${host.id}, which has applied entries up to ${host.core!.log.applied}`);
      if (operation.kind === "write" || operation.seen === operation.expected) this.lastSeen[key] = value;
      this.acknowledged++;
      world.mix(value);
      return true;
    } catch (error) {
      this.failed(error, host, operation);
      return false;
    } finally { machine.awaited.delete(value); }
  }

  async read(host: Host, key: number): Promise<boolean> {
    const { world } = this;
    const node = host.node as Raft, machine = host.machine!, { life } = host;
    const operation: Operation = { key, kind: "read", value: 0, expected: 0, called: this.moment++, returned: undefined, seen: undefined };
    const floor = this.checkers.committedIndex;
    world.touch();
    try {
      const index = await node.readIndex();
      if (life.isOver) return false;
      check(index >= floor, "no read is stale", () => `member ${host.id} answers a read with index ${index}, but ${floor} was committed before it was asked`);
      await node.waitApplied(index);
      if (life.isOver) return false;
      operation.returned = this.moment++;
      operation.seen = machine.registers[key]!;
      this.lastSeen[key] = operation.seen;
      this.history.push(operation);
      this.answeredReads++;
      return true;
    } catch (error) {
      this.failed(error, host, operation);
      return false;
    }
  }

  /** What was certainly not done is no part of the history; of the rest nobody knows. */
  private failed(error: unknown, host: Host, operation: Operation): void {
    this.refused++;
    if (!(error instanceof RaftError)) { this.world.failure ??= error as Error; return; }
    const isRefused = error.kind === "not-leader" || error.kind === "busy" || error.kind === "too-large";
    if (operation.kind !== "read" && isRefused) {
      check(!this.checkers.committedWrites.has(operation.value), "what was refused is not done", () => `member ${host.id} refused write ${operation.value} ("${error.message}"), which is committed`);
      // Later it must not appear either: nobody may see its value.
      const at = this.history.lastIndexOf(operation);
      if (at >= 0) this.history.splice(at, 1);
    }
  }
}
