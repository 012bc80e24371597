// A leader whose process ended: its host refuses connections at once, so nobody needs to wait for the election timeout. Two breaks of the connection and silence meanwhile
// are the sign; a host that vanished gives none. Being wrong costs a pre-vote that the others, who hear the leader, do not even listen to.
import type { RaftId } from "../api.js";
import { isPromising } from "./election.js";
import type { CoreState } from "./state.js";

/** Heartbeats that must be missed as well: one may be on its way, or late. */
const missedHeartbeats = 2;
/** The first may be a connection that broke and can be opened again. */
const breaksToDoubt = 2;

/** The transport says that `id` cannot be reached. */
export function leaderUnreachable(s: CoreState, id: RaftId): void {
  if (id === s.leader && s.role === "follower") s.leaderBreaks++;
}

/** Before the election timer is looked at. A member that promised its vote to nobody (lease reads) keeps that promise to itself too. */
export function tickDoubt(s: CoreState): void {
  if (s.leaderBreaks === 0 || s.leader === undefined) return;
  if (s.leaderBreaks >= breaksToDoubt && s.electionElapsed >= missedHeartbeats * s.options.heartbeatTicks && !isPromising(s)) {
    s.options.log(`Member ${s.leader}, the leader, is gone: its connection broke and cannot be opened again`);
    s.electionElapsed = Math.max(s.electionElapsed, s.electionTimeout);
  } else {
    // Opens the connection again, or shows that it cannot be.
    s.send({ type: "hello", from: s.id, to: s.leader, term: s.term, ...s.commitNews });
  }
}
