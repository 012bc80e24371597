// A group in a world: its machines, its network, its clients and what happens to it; first with faults, then, mended, it must come together again.
import type { RaftId } from "../src/api.js";
import { RaftError } from "../src/api.js";
import type { Config } from "../src/core/types.js";
import { emptyConfig, isJoint } from "../src/core/config.js";
import { check, Checkers, Violation } from "./checkers.js";
import { Clients } from "./clients.js";
import { contextOf, Host } from "./host.js";
import type { Life } from "./life.js";
import { checkLinearizable } from "./linearizability.js";
import { Nemesis } from "./nemesis.js";
import { fairWeather, maxHosts, Network } from "./network.js";
import { makePlan, type Given, type Plan } from "./plan.js";
import { Random } from "./random.js";
import type { MachineObserver } from "./register-machine.js";
import { World } from "./world.js";

export interface Result {
  readonly seed: number;
  /** Of everything that happened: the same for the same seed. */
  readonly hash: number;
  readonly violation: { readonly promise: string; readonly message: string; readonly atMs: number } | undefined;
  readonly simulatedMs: number;
  readonly stats: Readonly<Record<"events" | "elections" | "writes" | "reads" | "refused" | "committed" | "messages" | "snapshots" | "starts" | "faults" | "undecided", number>>;
}

export interface RunOptions {
  /** Faults, by number, that do not happen. */
  readonly skip?: ReadonlySet<number>;
  /** Collects readable lines of what happens. */
  readonly story?: string[];
  readonly given?: Given;
}

export const runSeed = (seed: number, options: RunOptions = {}): Promise<Result> => new Simulation(makePlan(seed, options.given), options).run();

export class Simulation {
  readonly world = new World();
  readonly network: Network;
  readonly checkers: Checkers;
  readonly clients: Clients;
  readonly hosts = new Map<RaftId, Host>();
  private readonly nemesis: Nemesis;
  private readonly byLife = new Map<Life, Host>();
  private starts = 0;
  private undecided = 0;

  constructor(readonly plan: Plan, private readonly options: RunOptions = {}) {
    this.world.story = options.story;
    this.network = new Network(this.world, new Random(plan.seed, 3));
    this.checkers = new Checkers(this.world);
    this.clients = new Clients(this.world, new Random(plan.seed, 4), plan, this.checkers, this.hosts);
    this.nemesis = new Nemesis(this.world, this.network, { hosts: this.hosts, makeHost: () => this.makeHost(), leader: () => this.leader(), config: () => this.config() }, plan);
    this.checkers.onLeader = (id) => this.nemesis.onLeader(this.hosts.get(id)!);
  }

  async run(): Promise<Result> {
    let violation: Result["violation"];
    // Members refuse much, and a stack for each refusal costs as much as the refusal; who reads the story gets them.
    const { stackTraceLimit } = Error;
    if (!this.options.story) Error.stackTraceLimit = 0;
    try {
      await this.form();
      await this.suffer();
      await this.mend();
      this.judge();
    } catch (error) {
      const { promise, message } = error instanceof Violation ? error : { promise: (error as Error).message.split(/[:(\d]/)[0]!.trim(), message: (error as Error).stack ?? String(error) };
      violation = { promise, message, atMs: this.world.now };
      this.world.tell(`BROKEN: ${message}`);
    } finally { Error.stackTraceLimit = stackTraceLimit; }
    const { world, checkers, clients, network } = this;
    for (const host of this.hosts.values()) { host.life.isOver = true; host.disk.release(); }
    return {
      seed: this.plan.seed, hash: world.hash >>> 0, violation, simulatedMs: world.now,
      stats: {
        events: world.events, elections: checkers.elections, writes: clients.acknowledged, reads: clients.answeredReads, refused: clients.refused, committed: checkers.committedIndex,
        messages: network.messages, snapshots: network.snapshots, starts: this.starts, faults: this.plan.faults.length, undecided: this.undecided,
      },
    };
  }

  // ---- what happens ----

  /** One member begins alone, the others are added: the way every group begins. */
  private async form(): Promise<void> {
    const { world, plan } = this;
    const first = this.makeHost()!;
    first.start();
    const waiting = Array.from({ length: plan.members - 1 }, () => this.makeHost()!);
    for (const host of waiting) host.start();
    const asked = new Map<RaftId, number>();
    let whole: Config | undefined;
    const addNext = (): void => {
      if (this.nemesis.isOver) return;
      world.at(50, addNext);
      const leader = this.leader();
      const config = this.config();
      if (config === whole) return;
      const { members, removed } = config;
      const host = waiting.find((h) => !removed.includes(h.id) && !members.some((m) => m.id === h.id && !m.isLearner));
      if (!host) whole = config;
      // One after the other; asked again when nothing came of it.
      if (!host || !leader?.node || world.now - (asked.get(host.id) ?? -Infinity) < 2000) return;
      asked.set(host.id, world.now);
      world.touch();
      leader.node.addMember({ id: host.id, context: contextOf(host.id) }).catch(() => {});
    };
    world.at(10, addNext);
    this.nemesis.start(this.options.skip ?? new Set());
    this.clients.start();
    await world.run(plan.quietMs);
    if (plan.faults.length > 0) this.network.weather = plan.weather;
  }

  private async suffer(): Promise<void> {
    await this.world.run(this.plan.faultsEndMs);
  }

  /** Liveness: with everything mended the group comes together, commits, and every member serves. */
  private async mend(): Promise<void> {
    const { world, plan } = this;
    this.nemesis.isOver = true;
    this.clients.isQuiet = true;
    this.network.weather = fairWeather;
    this.network.heal();
    world.tell("everything is mended");
    for (const host of this.hosts.values()) {
      host.disk.slowUntil = 0;
      host.disk.crashCountdown = 0;
      host.disk.nextError = undefined;
      host.crashAtStart = 0;
      host.sendsLeft = Infinity;
      host.afterSends = undefined;
      if (host.life.pausedUntil > world.now) host.life.pausedUntil = world.now + 1;
    }
    const restart = (): void => {
      for (const host of this.hosts.values()) host.start();
      this.replaceLost();
      world.at(1000, restart);
    };
    world.at(0, restart);
    await world.run(world.now + plan.healMs, () => this.isWhole());
    check(this.isWhole(), "a mended group comes together", () => this.describe());

    // A write at the leader, and a read of it at every member.
    let written = false;
    const reads = new Set<RaftId>();
    let wanted: RaftId[] = [];
    const serve = (): void => {
      if (!written) {
        const leader = this.leader();
        if (leader) this.world.perform(() => { void this.clients.write(leader, 0).then((isDone) => { written ||= isDone; }); }, leader.life);
      } else {
        wanted = this.config().members.map((m) => m.id);
        for (const id of wanted) {
          const host = this.hosts.get(id)!;
          if (!reads.has(id) && host.node) this.world.perform(() => { void this.clients.read(host, 0).then((isDone) => { if (isDone) reads.add(id); }); }, host.life);
        }
      }
      world.at(500, serve);
    };
    world.at(0, serve);
    const isServed = (): boolean => written && wanted.length > 0 && wanted.every((id) => reads.has(id));
    await world.run(world.now + 15_000, isServed);
    check(isServed(), "a mended group serves", () => `${written ? `members ${wanted.filter((id) => !reads.has(id)).join(", ")} did not answer a read` : "no write went through"}; ${this.describe()}`);
  }

  private judge(): void {
    for (const host of this.hosts.values()) host.look();
    const verdict = checkLinearizable(this.clients.history);
    if (verdict.kind === "undecided") this.undecided++;
    check(verdict.kind !== "violation", "linearizability", () => `register ${verdict.kind === "violation" ? verdict.key : 0} cannot have gone through what clients saw`);
  }

  /** An operator takes members whose disk is lost out of the group. */
  private replaceLost(): void {
    const leader = this.leader();
    if (!leader?.node) return;
    for (const member of this.config().members) {
      if (this.hosts.get(member.id)?.state !== "lost") continue;
      this.world.tell(`member ${member.id}, whose disk is lost, is taken out`);
      this.world.touch();
      leader.node.removeMember(member.id).catch(() => {});
      return;
    }
  }

  // ---- what is ----

  private makeHost(): Host | undefined {
    const id = this.hosts.size + 1;
    if (id >= maxHosts) return undefined;
    const host = new Host(id, this.world, this.network, new Random(this.plan.seed, 100 + id), this.plan, {
      opened: (opened) => { this.starts++; this.look(opened); },
      ended: (ended, error) => this.hasEnded(ended, error),
      look: (host) => this.look(host),
      machineOf: (owner, life) => this.machineObserver(owner, life),
    }, id === 1);
    this.hosts.set(id, host);
    return host;
  }

  private machineObserver(host: Host, life: Life): MachineObserver {
    return {
      applied: (index, data, digest) => {
        this.world.touch();
        if (life.isOver) return;
        // What is applied was committed a moment before; the core tells which term it is of.
        if (host.core) this.checkers.look(host.id, host.core, host.seen!);
        this.checkers.applied(host.id, index, data, digest);
      },
      restored: (index, digest) => { if (!life.isOver) this.checkers.checkDigest(host.id, index, digest); },
    };
  }

  private look(host: Host): void {
    const core = host.core!;
    try { this.checkers.look(host.id, core, host.seen!); } catch (error) { this.world.failure ??= error as Error; return; }
    if (core.role === "leader") this.nemesis.onConfig(core.config);
    if (host.isDamaged && !host.isRotten && !core.recovering) host.isDamaged = false;
    if (host.state !== "up") return;
    if (core.role === "removed") {
      this.world.tell(`member ${host.id} ends: it was removed`);
      host.settle("ended", undefined);
      return;
    }
    const failure = (host.node as unknown as { failure?: Error }).failure;
    if (failure) { this.world.tell(`member ${host.id} ends itself: ${failure.message}`); host.settle(failure instanceof RaftError && failure.kind === "corrupt" ? "lost" : "down", failure); }
  }

  /** A member that ends itself does so because of its disk, or because something is wrong. */
  private hasEnded(host: Host, error: Error | undefined): void {
    if (host.core) try { this.checkers.look(host.id, host.core, host.seen!); } catch (broken) { this.world.failure ??= broken as Error; }
    if (!error) return;
    const isExpected = error instanceof RaftError && (
      (error.kind === "storage" && host.disk.hasFailed) || (error.kind === "corrupt" && (host.isDamaged || host.isRotten)));
    if (!isExpected) this.world.failure ??= new Violation("a member ends only for a reason", `member ${host.id} ended itself: ${error.stack ?? error.message}`);
  }

  leader(): Host | undefined {
    let best: Host | undefined;
    for (const host of this.hosts.values()) if (host.core?.role === "leader" && (!best || host.core.term > best.core!.term)) best = host;
    return best;
  }

  config(): Config {
    const leader = this.leader();
    if (leader) return leader.core!.config;
    let best: Host | undefined;
    for (const host of this.hosts.values()) if (host.core && (!best || host.core.log.applied > best.core!.log.applied)) best = host;
    return best?.core?.config ?? emptyConfig;
  }

  private isWhole(): boolean {
    const leader = this.leader();
    if (!leader?.core || leader.core.log.applied < leader.core.termStart) return false;
    const { log, config } = leader.core;
    return !isJoint(config) && config.members.every((member) => {
      const { core, state } = this.hosts.get(member.id)!;
      // Not one that is just being stopped: its core looks well until the end.
      return state === "up" && (!member.isLearner || member.staysLearner === true) && core !== undefined && core.leader === leader.id && !core.recovering && core.log.applied === log.commit && core.config.members.length === config.members.length;
    });
  }

  private describe(): string {
    return [...this.hosts.values()].filter((host) => host.state !== "ended").map((host) => {
      const { core } = host;
      if (!core) return `${host.id} ${host.state}`;
      return `${host.id} ${core.role} of ${core.leader ?? "nobody"} in term ${core.term}, log ${core.log.firstIndex}-${core.log.lastIndex}, commit ${core.log.commit}, applied ${core.log.applied}${core.recovering ? ", recovering" : ""}, members ${core.config.members.map((m) => `${m.id}${m.isLearner ? "?" : ""}`).join(" ")}${isJoint(core.config) ? ` and ${core.config.outgoing.map((m) => m.id).join(" ")}` : ""}`;
    }).join("; ");
  }
}
