// A log that lost its end, as its read-back noticed: until a leader has filled it beyond anything that was acknowledged, the member neither votes nor campaigns.
import type { RaftId } from "../api.js";
import type { CoreState } from "./state.js";
import type { Message } from "./types.js";

/** This member's log is shorter than what it acknowledged, and it does not know why: its directory was lost or replaced. */
export class LostLogError extends Error {}

export function askForRecovery(s: CoreState, leader: RaftId): void {
  if (s.recoverNonce === 0) s.recoverNonce = 1 + s.options.random(2 ** 32);
  s.send({ type: "recover", from: s.id, to: leader, term: s.term, lastIndex: s.log.lastIndex, nonce: s.recoverNonce });
}

/** The leader's part. */
export function onRecover(s: CoreState, m: Extract<Message, { type: "recover" }>): void {
  const progress = s.progress.get(m.from);
  if (s.role !== "leader" || !progress) return;
  progress.forget(Math.min(m.lastIndex, s.log.lastIndex), s.log.lastIndex);
  progress.heard(s.ticks);
  s.send({ type: "recover-response", from: s.id, to: m.from, term: s.term, lastIndex: s.log.lastIndex, nonce: m.nonce });
}

export function onRecoverResponse(s: CoreState, m: Extract<Message, { type: "recover-response" }>): void {
  if (m.nonce !== s.recoverNonce) return;
  // The first answer of a term is enough, and one that moves on with a busy log might never be reached.
  s.recoverTarget = Math.min(s.recoverTarget ?? Infinity, m.lastIndex);
  checkRecovered(s);
}

/**
 * Why it is enough to reach the end that the leader's log had after we asked: our term is never forgotten, so this leader is at least as new as
 * any to which we acknowledged. If it is the same one, its log held then all that we acknowledged to it. If it is newer, it was elected
 * without a vote given after the loss, so the majority that elected it shares a member, other than us since, with any majority that our lost acknowledgements helped
 * to form; its log holds what that majority committed.
 */
export function checkRecovered(s: CoreState): void {
  if (!s.recovering || s.recoverTarget === undefined) return;
  if (s.matched < s.recoverTarget || s.log.stable < s.recoverTarget) return;
  s.recovering = false;
  s.recoveringToWrite = false;
  s.recoverTarget = undefined;
  s.isDirty = true;
  s.options.log(`The log is whole again up to ${s.log.stable}`);
}
