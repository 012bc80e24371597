// Proposals that a follower sends to its leader. They are bound to one term: the leader takes them in exactly the term in which they were sent, and they neither raise nor lower
// anybody's term (etcd #11466); when the term ends their fate is unknown. So one id is appended at most once, ever.
import { forwardWindowSize, ForwardWindow } from "./forward-window.js";
import { propose } from "./propose.js";
import type { CoreState } from "./state.js";
import type { ForwardRefusal, Message } from "./types.js";

/** Lives of one sender that are told apart within a term; a message of a still older one that comes late would be taken for new. */
const rememberedLives = 4;

/**
 * Sends `data` to the leader; `Ready.forwarded` says what became of it. Ids are integers that count up; one that is pending may be sent again with the same data.
 * False: no other member is known to lead, or as many are pending as a leader remembers, or as many bytes as it would take.
 */
export function forward(s: CoreState, id: number, data: Uint8Array): boolean {
  if (s.role === "removed" || s.leader === undefined || s.leader === s.id) return false;
  if (!s.forwards.has(id)) {
    if (id <= s.lastForwardId) return false;
    const oldest = s.forwards.keys().next().value ?? id;
    if (id - oldest >= forwardWindowSize) return false;
    if (s.forwardBytes > 0 && s.forwardBytes + data.length > s.options.maxUncommittedBytes) return false;
    s.lastForwardId = id;
    s.forwards.set(id, data.length);
    s.forwardBytes += data.length;
  }
  if (s.forwardLife === 0) s.forwardLife = 1 + s.options.random(2 ** 40);
  s.send({ type: "propose", from: s.id, to: s.leader, term: s.term, life: s.forwardLife, id, data });
  return true;
}

/** The leader's part, or of one that was. */
export function onPropose(s: CoreState, m: Extract<Message, { type: "propose" }>): void {
  if (s.role !== "leader" || m.term !== s.term || !s.progress.has(m.from)) return respond(s, m, 0, "not-leader");
  const window = windowOf(s, m.from, m.life);
  const known = window.find(m.id);
  if (known === "old") return;
  if (known !== "new") return respond(s, m, known.index, known.why);
  const result = propose(s, m.data);
  const index = result.kind === "appended" ? result.index : 0;
  const why: ForwardRefusal = result.kind === "appended" ? "none" : result.why === "busy" || result.why === "transferring" ? result.why : "not-leader";
  // Refusals too: a sender that was told so may have proposed the same under another id.
  window.remember(m.id, index, why);
  respond(s, m, index, why);
}

function windowOf(s: CoreState, from: number, life: number): ForwardWindow {
  let windows = s.forwardWindows.get(from);
  if (!windows) s.forwardWindows.set(from, windows = []);
  let window = windows.find((w) => w.life === life);
  if (!window) {
    window = new ForwardWindow(life);
    windows.push(window);
    if (windows.length > rememberedLives) windows.shift();
  }
  return window;
}

function respond(s: CoreState, m: Extract<Message, { type: "propose" }>, index: number, why: ForwardRefusal): void {
  s.send({ type: "propose-response", from: s.id, to: m.from, term: s.term, life: m.life, id: m.id, isAccepted: why === "none", index, why });
}

export function onProposeResponse(s: CoreState, m: Extract<Message, { type: "propose-response" }>): void {
  const bytes = s.forwards.get(m.id);
  if (bytes === undefined || m.life !== s.forwardLife) return;
  s.forwards.delete(m.id);
  s.forwardBytes -= bytes;
  s.isDirty = true;
  if (m.isAccepted) s.forwarded.push({ id: m.id, result: { kind: "appended", index: m.index, term: m.term } });
  // It leads no more, and cannot say whether it took an earlier copy of this message.
  else if (m.why === "not-leader" || m.why === "none") s.forwarded.push({ id: m.id, result: { kind: "dropped" } });
  else s.forwarded.push({ id: m.id, result: { kind: "refused", why: m.why } });
}
