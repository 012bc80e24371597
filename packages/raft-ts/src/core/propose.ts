// Proposals on the leader. The hot path of the whole library: no more than an append to the log in memory; `ready()` sends and writes all of a turn at once.
import type { CoreState } from "./state.js";
import type { ProposeResult } from "./types.js";

export function propose(s: CoreState, data: Uint8Array): ProposeResult {
  if (s.role !== "leader") return { kind: "refused", why: "not-leader" };
  // Or the successor would never have everything.
  if (s.transferee !== undefined || s.leavingRound !== 0) return { kind: "refused", why: "transferring" };
  if (s.uncommittedBytes > 0 && s.uncommittedBytes + data.length > s.options.maxUncommittedBytes) return { kind: "refused", why: "busy" };
  return s.append("data", data);
}
