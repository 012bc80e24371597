// Handing over leadership (Raft §3.10 of the dissertation): because somebody asks, because a voter of higher priority has kept up, or because the leader leaves.
import type { RaftId } from "../api.js";
import { isVoter, voters } from "./config.js";
import type { CoreState } from "./state.js";

/** A voter of higher priority must have kept up for so many election timeouts, so that one that comes and goes does not take the leader with it. */
const priorityPatience = 5;

/** False: it does not lead, or `to` is no voter that could. Given up after an election timeout. */
export function transfer(s: CoreState, to: RaftId): boolean {
  if (s.role !== "leader" || to === s.id || !isVoter(s.config, to)) return false;
  s.transferee = to;
  s.transferElapsed = 0;
  s.isDirty = true;
  tryTransfer(s);
  return true;
}

/** Once it has everything. Nothing is proposed meanwhile, so that it gets there. */
export function tryTransfer(s: CoreState): void {
  if (s.transferee === undefined || s.progress.get(s.transferee)?.match !== s.log.lastIndex) return;
  s.isLeaseGone = true;
  s.send({ type: "timeout-now", from: s.id, to: s.transferee, term: s.term });
}

export function tickTransfer(s: CoreState): void {
  if (s.transferee !== undefined && ++s.transferElapsed >= s.options.electionTicks) s.transferee = undefined;
  if (s.hasPriorities) considerPriority(s);
}

function considerPriority(s: CoreState): void {
  const best = bestSuccessor(s);
  const better = best !== undefined && s.priorityOf(best) > s.priorityOf(s.id) && isCaughtUp(s, best) ? best : undefined;
  if (better === undefined || better !== s.betterLeader) {
    s.betterLeader = better;
    s.betterSince = s.ticks;
  } else if (s.transferee === undefined && s.ticks - s.betterSince >= priorityPatience * s.options.electionTicks) {
    s.betterSince = s.ticks;
    s.options.log(`Handing leadership to member ${better}, which has a higher priority`);
    transfer(s, better);
  }
}

function isCaughtUp(s: CoreState, id: RaftId): boolean {
  const progress = s.progress.get(id)!;
  return progress.state === "replicate" && progress.match + s.options.promotionLag >= s.log.lastIndex;
}

/** The voter to hand over to: active, its log whole, of the highest priority, then with the longest log. */
export function bestSuccessor(s: CoreState): RaftId | undefined {
  let best: RaftId | undefined;
  for (const { id } of voters(s.config)) {
    if (id === s.id || !s.canVote(id)) continue;
    if (best === undefined || s.priorityOf(id) > s.priorityOf(best) || (s.priorityOf(id) === s.priorityOf(best) && s.matchOf(id) > s.matchOf(best))) best = id;
  }
  return best;
}
