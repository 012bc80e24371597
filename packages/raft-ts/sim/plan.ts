// What a seed stands for, drawn before anything runs: the size of the group, its limits, the weather, and the list of faults. Each seed turns on a random part of the faults only
// ("swarm testing", Groce et al. 2012): a fault that always comes hides what needs its absence. A fault draws its details from a seed of its own, so that a run can be repeated without it.
import { Random } from "./random.js";
import { fairWeather, type Weather } from "./network.js";
import type { DiskTraits } from "./disk.js";

export const faultKinds = [
  "crash", "crash the leader", "crash a majority", "crash all", "crash at a disk operation", "crash at the start", "stop",
  "cut off", "cut off the leader", "split", "one way", "some links", "clog", "weather", "lag",
  "slow disk", "disk error", "bit rot", "pause", "pause the leader",
  "transfer", "add", "remove", "remove the leader", "replace", "change several", "update", "return", "demote", "priority",
  "kill the next leader", "cut off the next leader", "kill between append and acknowledgement",
] as const;
export type FaultKind = (typeof faultKinds)[number];

export interface Fault { readonly number: number; readonly atMs: number; readonly kind: FaultKind; readonly seed: number }

export interface Plan {
  readonly seed: number;
  readonly members: number;
  /** The group is formed by then, and the faults begin. */
  readonly quietMs: number;
  readonly faultsEndMs: number;
  /** After the faults ended, by when everything must work again. */
  readonly healMs: number;
  readonly faults: readonly Fault[];
  readonly weather: Weather;
  readonly diskTraits: DiskTraits;
  /** Clock rates are drawn from 1 ± this. */
  readonly clockSkew: number;
  readonly load: { readonly keys: number; readonly writesPerSecond: number; readonly readsPerSecond: number; /** operations that come at once */ readonly burst: number; readonly paddingBytes: number; /** share of operations that go to any member, not to the leader */ readonly astray: number };
  readonly snapshotChunkBytes: number;
  /** Messages pass the codec; without it members hand them over as they are, which takes a fifth less time. */
  readonly isEncoded: boolean;
  /** Options of every member (options.ts). */
  readonly limits: Readonly<Record<string, unknown>>;
}

const membershipFaults: readonly FaultKind[] = ["add", "remove", "remove the leader", "replace", "change several", "update", "return", "demote", "priority"];

const shrinkingFaults: readonly FaultKind[] = ["remove", "remove the leader", "replace", "change several", "demote"];

export const isMembershipFault = (kind: FaultKind): boolean => membershipFaults.includes(kind);

/** What is the same for all seeds, whatever they say: figures of speed are of one case. */
export interface Given { readonly members?: number; readonly writesPerSecond?: number }

export function makePlan(seed: number, given: Given = {}): Plan {
  const random = new Random(seed, 1);
  const isStorm = random.chance(0.1);
  const drawnMembers = isStorm ? random.pick([3, 5, 5, 5]) : random.pick([1, 2, 3, 3, 3, 3, 4, 5, 5, 5, 5, 7]);
  const members = given.members ?? drawnMembers;
  const limits = drawLimits(random);
  const quietMs = random.chance(0.2) ? 0 : 2000 + members * 1000;
  const faultsEndMs = quietMs + random.between(8, 40) * 1000;
  return {
    seed, members, quietMs, faultsEndMs, healMs: 90_000,
    faults: isStorm ? drawStorm(random, quietMs, faultsEndMs) : drawFaults(random, quietMs, faultsEndMs),
    weather: drawWeather(random),
    diskTraits: { sectorBytes: random.pick([512, 4096]), isNameOrderLost: random.chance(0.3) },
    clockSkew: drawSkew(random, limits),
    load: {
      keys: random.pick([1, 3, 8, 20]), writesPerSecond: drawWrites(random, given), readsPerSecond: random.pick([0, 5, 10, 20]), burst: random.pick([1, 1, 4, 10]),
      paddingBytes: random.pick([0, 0, 20, 200, 2000]), astray: random.pick([0.05, 0.2, 0.8]),
    },
    snapshotChunkBytes: random.pick([8, 64, 4096]),
    // Where little is kept for followers that are behind, nothing more is kept for those that answer: snapshots chase each other then.
    limits: { ...limits, catchUpBytes: limits.trailingEntries === 0 ? 0 : 1 << 26, ...(isStorm && { maxMessageBytes: 1 }) },
    isEncoded: random.chance(0.25),
  };
}

function drawWrites(random: Random, given: Given): number {
  const drawn = random.pick([5, 20, 20, 20, 60]);
  return given.writesPerSecond ?? drawn;
}

/** Leases ask that no clock runs faster than another by more than their margin allows: with 10 ticks an eighth, with 8 a sixth, with 5 nothing. */
function drawSkew(random: Random, limits: Record<string, unknown>): number {
  const skew = random.pick([0, 0.01, 0.1]);
  if (limits.readMode !== "lease") return skew;
  return limits.electionTicks === 5 ? 0 : Math.min(skew, 0.05);
}

function drawLimits(random: Random): Record<string, unknown> {
  const electionTicks = random.pick([8, 8, 10, 10, 5]);
  return {
    electionTicks, heartbeatTicks: random.pick(electionTicks >= 8 ? [1, 1, 2, 3] : [1, 2]),
    snapshotEntries: random.pick([10, 40, 150, 1000]), trailingEntries: random.pick([0, 0, 5, 50, 500]), segmentBytes: random.pick([4096, 8192, 8192, 16384, 65536]),
    maxMessageBytes: random.pick([1, 60, 500, 1 << 20]), maxInflight: random.pick([1, 2, 8, 256]), maxInflightBytes: random.pick([100, 5000, 1 << 26]),
    maxUncommittedBytes: random.pick([1000, 50_000, 1 << 26]), maxApplyBytes: random.pick([1, 300, 1 << 20]),
    readMode: random.pick(["safe", "lease"]), forwardProposals: random.chance(0.5),
  };
}

export function drawWeather(random: Random): Weather {
  if (random.chance(0.2)) return fairWeather;
  const minDelayMs = random.pick([1, 1, 1, 5, 20]);
  return {
    loss: random.pick([0, 0, 0.01, 0.05, 0.3 * random.unit()]), duplication: random.pick([0, 0, 0.02, 0.2]),
    minDelayMs, maxDelayMs: minDelayMs + random.pick([0, 2, 2, 10, 60]), spikes: random.pick([0, 0.01, 0.1]), spikeMs: random.pick([50, 500, 3000]), isOrdered: random.chance(0.6), grainMs: random.pick([1, 2, 5]),
  };
}

/** Leader after leader ends in the middle of its first messages: where the order of terms and commits goes wrong, if it does (Raft figure 8). */
const stormFaults: readonly FaultKind[] = ["kill the next leader", "kill the next leader", "cut off the next leader", "crash the leader", "kill between append and acknowledgement", "transfer"];

function drawStorm(random: Random, fromMs: number, toMs: number): Fault[] {
  const enabled = stormFaults.filter(() => random.chance(0.7));
  const faults: Fault[] = [];
  const meanMs = random.pick([300, 700]);
  for (let atMs = fromMs; enabled.length > 0 && atMs < toMs; atMs += 1 + random.exponential(meanMs)) faults.push({ number: faults.length, atMs, kind: random.pick(enabled), seed: random.below(2 ** 31) });
  return faults;
}

function drawFaults(random: Random, fromMs: number, toMs: number): Fault[] {
  const hasMembership = random.chance(0.5);
  const enabled = faultKinds.filter((kind) => {
    if (isMembershipFault(kind)) return hasMembership && random.chance(0.5);
    return random.chance(0.35);
  });
  // Whoever takes members away while others are damaged can take the last that knows: then an operator has to recover the group, which is another story.
  const isShrinking = enabled.some((kind) => shrinkingFaults.includes(kind));
  if (isShrinking) enabled.splice(0, enabled.length, ...enabled.filter((kind) => kind !== "bit rot"));
  const faults: Fault[] = [];
  if (enabled.length === 0) return faults;
  const meanMs = random.pick([100, 400, 1000, 1000, 3000]);
  for (let atMs = fromMs + random.exponential(meanMs); atMs < toMs; atMs += 1 + random.exponential(meanMs)) {
    faults.push({ number: faults.length, atMs, kind: random.pick(enabled), seed: random.below(2 ** 31) });
  }
  return faults;
}
