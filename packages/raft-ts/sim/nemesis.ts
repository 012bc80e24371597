// Performs the faults of a plan. It sees the state of every member: what random faults find once in a million runs – a leader that dies after its second message – it aims at.
import type { MemberChange, RaftId } from "../src/api.js";
import { emptyConfig, isJoint } from "../src/core/config.js";
import type { Config } from "../src/core/types.js";
import { contextOf, type Host } from "./host.js";
import { fairWeather, maxHosts, type Network } from "./network.js";
import { drawWeather, isMembershipFault, type Fault, type Plan } from "./plan.js";
import { Random } from "./random.js";
import type { World } from "./world.js";

export interface Group {
  readonly hosts: ReadonlyMap<RaftId, Host>;
  /** A machine for a member that is to be added; undefined: there are enough. */
  makeHost(): Host | undefined;
  leader(): Host | undefined;
  /** Members as far as the newest leader knows. */
  config(): Config;
}

export class Nemesis {
  isOver = false;
  /** What happens to the next leaders. */
  private readonly traps: ((host: Host) => void)[] = [];
  private changedAtMs = -Infinity;
  private lastConfig = emptyConfig;

  constructor(private readonly world: World, private readonly network: Network, private readonly group: Group, private readonly plan: Plan) {}

  start(skip: ReadonlySet<number>): void {
    for (const fault of this.plan.faults) {
      if (!skip.has(fault.number)) this.world.at(Math.max(0, fault.atMs - this.world.now), () => { if (!this.isOver) this.perform(fault); });
    }
  }

  onLeader(host: Host): void { if (!this.isOver) this.traps.shift()?.(host); }

  /** What the newest leader knows of the members. */
  onConfig(config: Config): void {
    if (config === this.lastConfig) return;
    if (!isSameGroup(config, this.lastConfig)) this.changedAtMs = this.world.now;
    this.lastConfig = config;
  }

  private perform(fault: Fault): void {
    const random = new Random(fault.seed, 2);
    const { world, network, group } = this;
    const running = [...group.hosts.values()].filter((host) => host.state === "up");
    const leader = group.leader();
    const any = running.length > 0 ? random.pick(running) : undefined;
    world.tell(`fault ${fault.number}: ${fault.kind}`);
    switch (fault.kind) {
      case "crash": if (any) this.crash(any, random); return;
      case "crash the leader": if (leader) this.crash(leader, random); return;
      case "crash a majority": {
        const members = running.filter((host) => group.config().members.some((m) => m.id === host.id && !m.isLearner));
        for (const host of random.shuffle(members).slice(0, Math.floor(members.length / 2) + 1)) this.crash(host, random);
        return;
      }
      case "crash all": for (const host of running) this.crash(host, random); return;
      case "crash at a disk operation": if (any) { any.disk.crashCountdown = random.between(1, 30); this.restartLater(any, random, 3000); } return;
      case "crash at the start": if (any) { any.crashAtStart = random.between(1, 40); this.crash(any, random); this.restartLater(any, random, 5000); } return;
      case "stop": if (any) { any.stop().catch((error: Error) => { world.failure ??= error; }); this.restartLater(any, random, 3000); } return;
      case "cut off": if (any) this.cutOff(any, random.between(100, 5000)); return;
      case "cut off the leader": if (leader) this.cutOff(leader, random.between(300, 6000)); return;
      case "lag": if (any) this.cutOff(any, random.between(5000, 12_000)); return;
      case "split": this.split(random); return;
      case "one way": this.oneWay(random.chance(0.5) && leader ? leader : any, random); return;
      case "some links": {
        for (const from of running) for (const to of running) if (from !== to && random.chance(0.35)) network.cut(from.id, to.id);
        world.at(random.between(200, 6000), () => network.reconnect());
        return;
      }
      case "clog": for (const from of running) for (const to of running) if (from !== to && random.chance(0.3)) network.clog(from.id, to.id, world.now + random.between(100, 5000)); return;
      case "weather": {
        network.weather = random.chance(0.3) ? fairWeather : drawWeather(random);
        return;
      }
      case "slow disk": if (any) any.disk.slowUntil = world.now + random.between(200, 8000); return;
      case "disk error": {
        if (!any) return;
        any.disk.nextError = random.pick([{ on: "write", code: "ENOSPC" }, { on: "write", code: "EIO" }, { on: "sync", code: "EIO" }] as const);
        this.restartLater(any, random, 4000);
        return;
      }
      case "bit rot": if (any) this.rot(any, random); return;
      case "pause": if (any) this.pause(any, random.between(50, 6000)); return;
      case "pause the leader": if (leader) this.pause(leader, random.between(500, 6000)); return;
      case "kill the next leader": {
        const sends = random.below(12);
        this.traps.push((host) => this.afterSends(host, sends, () => this.crash(host, random)));
        return;
      }
      case "cut off the next leader": {
        const sends = random.below(12), ms = random.between(500, 6000);
        this.traps.push((host) => this.afterSends(host, sends, () => this.cutOff(host, ms)));
        return;
      }
      case "kill between append and acknowledgement": {
        const host = random.chance(0.5) && leader ? leader : any;
        if (!host) return;
        // A batch is one write and one sync: at the first the process ends before or while it is written, at the second before or after it is durable.
        host.disk.crashCountdown = random.between(1, 2);
        this.restartLater(host, random, 2000);
        return;
      }
      default: this.changeMembers(fault, random, leader);
    }
  }

  private changeMembers(fault: Fault, random: Random, leader: Host | undefined): void {
    const { group, world } = this;
    const node = leader?.node;
    if (!leader || !node) return;
    const members = group.config().members;
    if (fault.kind !== "transfer" && fault.kind !== "update" && fault.kind !== "priority" && fault.kind !== "return") {
      // A damaged member does not vote until it is whole: with fewer members it could be missed for a majority.
      if ([...group.hosts.values()].some(isHurt)) return;
      this.changedAtMs = world.now;
    }
    // Refusals and lost leaderships are part of it: what counts is what the checkers see.
    const ignore = (change: Promise<unknown>): void => { world.touch(); change.catch(() => {}); };
    const add = (): void => {
      const host = members.length < 7 ? group.makeHost() : undefined;
      if (!host) return;
      host.start();
      ignore(node.addMember({ id: host.id, context: contextOf(host.id) }));
    };
    const others = members.filter((m) => m.id !== leader.id);
    const canRemove = members.filter((m) => !m.isLearner).length > 1;
    switch (fault.kind) {
      case "transfer": ignore(node.transferLeadership(random.chance(0.5) && others.length > 0 ? random.pick(others).id : undefined)); return;
      case "add": add(); return;
      case "remove": if (canRemove && others.length > 0) ignore(node.removeMember(random.pick(others).id)); return;
      case "remove the leader": if (canRemove) ignore(node.removeMember(leader.id)); return;
      case "replace": if (canRemove && others.length > 0) { ignore(node.removeMember(random.pick(others).id)); } add(); return;
      case "update": if (members.length > 0) ignore(node.updateMember(random.pick(members).id, Buffer.from(`at ${world.now}`))); return;
      case "return": {
        const ended = [...group.hosts.values()].filter((host) => host.state === "ended");
        if (ended.length > 0) { const host = random.pick(ended); host.state = "down"; host.start(); }
        return;
      }
      case "change several": {
        const changes: MemberChange[] = [];
        for (const member of random.shuffle(members).slice(0, random.between(0, 2))) {
          if (member.isLearner) changes.push({ kind: random.chance(0.5) ? "promote" : "remove", id: member.id });
          else if (canRemove) changes.push(random.chance(0.5) ? { kind: "remove", id: member.id } : { kind: "demote", id: member.id });
        }
        for (let i = random.between(0, 2); i > 0 && members.length < 7; i--) {
          const host = group.makeHost();
          if (!host) break;
          host.start();
          changes.push({ kind: random.chance(0.5) ? "add-voter" : "add-learner", id: host.id, context: contextOf(host.id) });
        }
        if (changes.length > 0) ignore(node.changeMembers(changes));
        return;
      }
      case "demote": {
        const learner = members.find((m) => m.isLearner);
        if (learner && random.chance(0.5)) ignore(node.changeMembers([{ kind: "promote", id: learner.id }]));
        else if (canRemove && members.length > 0) ignore(node.changeMembers([{ kind: "demote", id: random.pick(members).id }]));
        return;
      }
      case "priority": if (members.length > 0) ignore(node.updateMember(random.pick(members).id, { priority: random.below(3) })); return;
      default: throw new Error(`The nemesis does not know the fault "${fault.kind}"`);
    }
  }

  private crash(host: Host, random: Random): void {
    host.crash(random.chance(0.4) ? "kill" : "power");
    this.restartLater(host, random, 3000);
  }

  private restartLater(host: Host, random: Random, meanMs: number): void {
    this.world.at(20 + random.exponential(meanMs / 2), () => this.restart(host));
  }

  private restart(host: Host): void {
    if (this.isOver) return;
    // An armed crash that has not come yet stays armed; whatever ended meanwhile starts again.
    host.start();
  }

  private afterSends(host: Host, sends: number, then: () => void): void {
    host.sendsLeft = sends;
    host.afterSends = then;
  }

  private cutOff(host: Host, ms: number): void {
    this.world.tell(`member ${host.id} is cut off for ${ms} ms`);
    this.network.cutOff(host.id);
    this.world.at(ms, () => this.network.join(host.id));
  }

  private split(random: Random): void {
    const side = Array.from({ length: maxHosts }, () => random.below(2));
    this.world.tell(`the group is split: ${[...this.group.hosts.keys()].filter((id) => side[id] === 0).join(", ")} | ${[...this.group.hosts.keys()].filter((id) => side[id] === 1).join(", ")}`);
    for (let a = 0; a < maxHosts; a++) for (let b = 0; b < maxHosts; b++) if (side[a] !== side[b]) this.network.cut(a, b);
    this.world.at(random.between(200, 8000), () => this.network.reconnect());
  }

  private oneWay(host: Host | undefined, random: Random): void {
    if (!host) return;
    const isOut = random.chance(0.5);
    this.world.tell(`member ${host.id} ${isOut ? "is not heard" : "hears nobody"}`);
    for (let other = 0; other < maxHosts; other++) if (isOut) this.network.cut(host.id, other); else this.network.cut(other, host.id);
    this.world.at(random.between(200, 6000), () => this.network.join(host.id));
  }

  private pause(host: Host, ms: number): void {
    this.world.tell(`member ${host.id} stands still for ${ms} ms`);
    host.life.pausedUntil = this.world.now + ms;
  }

  /** Never so many that what they lost could have been a majority's only copies. */
  private rot(host: Host, random: Random): void {
    const config = this.group.config();
    const voters = config.members.filter((m) => !m.isLearner).map((m) => m.id);
    const others = [...this.group.hosts.values()].filter((other) => other !== host && voters.includes(other.id));
    // While members change nobody knows how many are too many.
    const limit = this.plan.faults.some((fault) => isMembershipFault(fault.kind)) ? 1 : Math.floor((voters.length - 1) / 2);
    if (voters.length < 3 || others.filter(isHurt).length + 1 > limit || this.world.now - this.changedAtMs < 5000 || !voters.includes(host.id)) return;
    // Nor when those that are left may take fewer for the group: then this one could be half of it.
    if (others.filter((other) => !isHurt(other) && isSameGroup(other.config, config)).length <= voters.length / 2) return;
    host.crash("kill");
    const what = host.disk.rot(host.directory);
    if (what) { host.isRotten = true; host.isDamaged = true; this.world.tell(`member ${host.id}: ${what}`); }
    this.restartLater(host, random, 2000);
  }
}

const isHurt = (host: Host): boolean => host.isRotten || host.isDamaged || host.state === "lost";

/** The same voters, and none on their way out. */
function isSameGroup(a: Config, b: Config): boolean {
  const votersOf = (config: Config): string => [...config.members.filter((m) => !m.isLearner), ...config.outgoing].map((m) => m.id).sort((x, y) => x - y).join(" ");
  return isJoint(a) === isJoint(b) && votersOf(a) === votersOf(b);
}
