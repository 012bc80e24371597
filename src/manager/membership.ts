import { SwarmError, backoffMs, codeOf, messageOf, sleep, type Clock, type Logger } from "../lib/index.js";
import { call } from "../rpc/index.js";
import type { ManagerClients } from "./manager-clients.js";
import type { Replication } from "./replication.js";

export interface MembershipOptions {
  readonly replication: Replication;
  readonly clients: ManagerClients;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: () => number;
  readonly nodeId: string;
  readonly addr: string;
  /** Managers to ask while this one knows none itself. */
  readonly managers: readonly string[];
  readonly signal: AbortSignal;
}

/** The raft group does not want this member id any more: what it has on disk is of no use. */
export class ExpelledError extends Error { override name = "ExpelledError"; }

/** Resolves once this manager is a voting member under its present address. Asks until it is; throws when it is refused for good. */
export async function ensureMembership(options: MembershipOptions): Promise<void> {
  const { replication, clients, clock, log, random, nodeId, addr, signal } = options;
  const isSettled = () => replication.members.some((member) => member.raftId === replication.raftId && !member.isLearner && member.addr === addr) && replication.leader !== undefined;
  for (let attempt = 0; ; attempt++) {
    // A member that comes back knows the group: it is given a moment to hear from it before it asks.
    if (replication.isMember) await until(() => isSettled() || replication.isLeader, { replication, clock, ms: 2_000, signal });
    if (isSettled()) return;
    if (replication.isLeader) await replication.addMember(replication.raftId, { nodeId, addr }).catch((error: unknown) => log.debug("could not store the new address; trying again", { error: messageOf(error) }));
    const known = replication.members.filter((member) => member.raftId !== replication.raftId).map((member) => member.addr);
    const candidates = [...new Set([...options.managers, ...known])].filter((candidate) => candidate !== addr);
    const candidate = candidates[attempt % Math.max(1, candidates.length)];
    if (candidate !== undefined && !replication.isLeader) {
      try {
        await call(clients.client("Managers", candidate), "joinRaft", { addr, raftId: replication.raftId }, { timeoutMs: 60_000, signal });
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        if (codeOf(error) === "ABORTED") throw new ExpelledError(messageOf(error), { cause: error });
        if (["NOT_FOUND", "PERMISSION_DENIED", "UNAUTHENTICATED"].includes(codeOf(error))) throw error;
        log.info("not a member of the raft group yet; trying again", { manager: candidate, reason: messageOf(error) });
      }
    }
    await sleep(clock, backoffMs(attempt, { baseMs: 100, maxMs: 3_000 }, random), signal);
  }
}

/** Resolves when `holds`, or after `ms`. */
async function until(holds: () => boolean, { replication, clock, ms, signal }: { replication: Replication; clock: Clock; ms: number; signal: AbortSignal }): Promise<void> {
  if (holds()) return;
  await new Promise<void>((resolve, reject) => {
    const end = (how: () => void) => { timer.cancel(); stop(); signal.removeEventListener("abort", abort); how(); };
    const abort = () => end(() => reject(signal.reason instanceof Error ? signal.reason : new SwarmError("CANCELLED", "stopping")));
    const timer = clock.after(ms, () => end(resolve));
    const stop = replication.onChange(() => { if (holds()) end(resolve); });
    signal.addEventListener("abort", abort, { once: true });
  });
}
