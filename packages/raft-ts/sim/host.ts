// The machine that one member runs on: a disk that lasts, and processes that come and go on it. The process is production code, whole: driver, core, log and snapshots.
import type { Raft, RaftId, RaftOptions } from "../src/api.js";
import { RaftError } from "../src/api.js";
import { emptyConfig } from "../src/core/config.js";
import type { RaftCore } from "../src/core/raft.js";
import type { Config } from "../src/core/types.js";
import { RaftNode } from "../src/node.js";
import type { World as NodeWorld } from "../src/options.js";
import { simulatedClock } from "./clock.js";
import { SimulatedDisk, type CrashKind } from "./disk.js";
import { Seen } from "./checkers.js";
import { Life, type LifeOwner } from "./life.js";
import type { Network } from "./network.js";
import type { Plan } from "./plan.js";
import type { Random } from "./random.js";
import { RegisterMachine, type MachineObserver } from "./register-machine.js";
import type { World } from "./world.js";

/** down: may be started. lost: its disk is of no use any more, another member has to take its place. ended: removed from the group. */
export type HostState = "down" | "opening" | "up" | "stopping" | "lost" | "ended";

export interface HostObserver {
  /** The process runs. */
  opened(host: Host): void;
  /** The process is about to end, or has ended itself with `error`. */
  ended(host: Host, error: Error | undefined): void;
  machineOf(host: Host, life: Life): MachineObserver;
  /** Something happened to the process. */
  look(host: Host): void;
}

export class Host implements LifeOwner {
  state: HostState = "down";
  life: Life;
  node: Raft | undefined;
  /** The core of the running process; the checkers look into it, nothing else does. */
  core: RaftCore | undefined;
  seen: Seen | undefined;
  /** Members as far as its last process knew. */
  private lastConfig = emptyConfig;
  machine: RegisterMachine | undefined;
  readonly disk: SimulatedDisk;
  readonly directory: string;
  /** Bits were flipped on its disk that no start has seen yet: only a crash that keeps the page cache, or what was flipped could not be told from what the crash took. */
  isRotten = false;
  /** Its log was damaged and is not known to be whole again. */
  isDamaged = false;
  /** The next start crashes at this disk operation; 0: it does not. */
  crashAtStart = 0;
  /** This many messages more, then `afterSends`. */
  sendsLeft = Infinity;
  afterSends: (() => void) | undefined;
  private readonly clockRate: number;

  constructor(
    readonly id: RaftId, private readonly world: World, private readonly network: Network, private readonly random: Random, private readonly plan: Plan,
    private readonly observer: HostObserver, private readonly isFirst: boolean,
  ) {
    this.directory = `/${id}`;
    this.life = new Life(id, 0);
    this.life.isOver = true;
    this.clockRate = 1 + (random.unit() * 2 - 1) * plan.clockSkew;
    this.disk = new SimulatedDisk(world, random, plan.diskTraits, () => this.crash(this.isRotten || random.chance(0.3) ? "kill" : "power"));
  }

  get config(): Config { return this.core?.config ?? this.lastConfig; }

  // Of a process before this one nothing comes here any more: its life is over.
  look(): void { if (this.core) this.observer.look(this); }

  maySend(): boolean {
    if (this.afterSends && --this.sendsLeft < 0) {
      const then = this.afterSends;
      this.afterSends = undefined;
      then();
    }
    return !this.life.isOver;
  }

  start(): void {
    if (this.state !== "down") return;
    const { world, network } = this;
    this.state = "opening";
    const life = this.life = new Life(this.id, this.life.number + 1, this);
    this.sendsLeft = Infinity;
    this.afterSends = undefined;
    this.disk.hasFailed = false;
    this.disk.crashCountdown = this.crashAtStart;
    this.crashAtStart = 0;
    world.tell(`member ${this.id} starts`);
    const machine = this.machine = new RegisterMachine(this.plan.load.keys, this.plan.snapshotChunkBytes, this.observer.machineOf(this, life));
    const options: RaftOptions & NodeWorld = {
      id: this.id, directory: this.directory, stateMachine: machine, transport: network.transport(life),
      start: this.isFirst ? { kind: "bootstrap", context: contextOf(this.id) } : { kind: "join" },
      disk: this.disk.view(life), clock: simulatedClock(world, life, this.clockRate), random: (bound) => this.random.below(bound),
      sendMessages: this.plan.isEncoded ? undefined : (to, messages) => network.send(life, to, messages),
      log: (level, message) => { if (!life.isOver) this.heard(level, message); },
    };
    world.touch();
    RaftNode.open(Object.assign(options, this.plan.limits)).then((node) => {
      if (life.isOver) return;
      this.state = "up";
      this.node = node;
      this.core = coreOf(node);
      this.seen = new Seen(this.core);
      this.isRotten = false;
      if (this.core.recovering) this.isDamaged = true;
      this.observer.opened(this);
    }, (error: Error) => {
      if (life.isOver) return;
      this.over();
      this.state = error instanceof RaftError && error.kind === "corrupt" && (this.isRotten || this.isDamaged) ? "lost" : "down";
      this.world.tell(`member ${this.id} does not start: ${error.message}`);
      this.observer.ended(this, error);
    });
  }

  private heard(level: string, message: string): void {
    this.world.tell(`member ${this.id}: ${message}`);
    if (level === "warn" && message.startsWith("Dropped a malformed message")) this.world.failure ??= new Error(`understood: member ${this.id} cannot read a message of another: ${message}`);
  }

  /** The process ends in the middle of whatever it does. */
  crash(kind: CrashKind): void {
    if (this.state !== "up" && this.state !== "opening" && this.state !== "stopping") return;
    const actual = this.isRotten ? "kill" : kind;
    this.world.tell(actual === "kill" ? `member ${this.id} is killed` : `member ${this.id} loses power`);
    if (this.state === "up") this.observer.ended(this, undefined);
    this.over();
    this.state = "down";
    this.disk.afterCrash(actual);
  }

  /** Ends in good order. */
  async stop(): Promise<void> {
    if (this.state !== "up") return;
    const { life, node } = this;
    this.world.tell(`member ${this.id} stops`);
    this.state = "stopping";
    this.observer.ended(this, undefined);
    this.world.touch();
    await node!.close();
    if (life.isOver) return;
    this.over();
    this.state = "down";
    this.disk.afterCrash("kill");
  }

  /** The node has failed or was removed, and does nothing any more. */
  settle(state: "down" | "lost" | "ended", error: Error | undefined): void {
    this.observer.ended(this, error);
    this.over();
    this.state = state;
    this.disk.afterCrash("kill");
  }

  private over(): void {
    this.life.isOver = true;
    this.lastConfig = this.config;
    this.node = undefined;
    this.core = undefined;
    this.seen = undefined;
    this.machine = undefined;
    this.network.leave(this.life);
  }
}

export const contextOf = (id: RaftId): Uint8Array => Buffer.from(`member ${id}`);

function coreOf(node: Raft): RaftCore {
  const { core } = node as unknown as { core?: RaftCore };
  if (!core) throw new Error("A RaftNode keeps its core in the field \"core\"; the simulator's checkers look at it");
  return core;
}
