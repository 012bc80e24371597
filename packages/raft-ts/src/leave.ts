// Beside the core's messages: a member that wants to go asks the leader to remove it. The leader itself hands over leadership first and then asks
// its successor, because a leader that removes itself leaves followers that do not know yet that its removal is committed; with two members that is the end of the group.
import type { RaftId } from "./api.js";
import { firstForeignType } from "./codec.js";

const leaveType = firstForeignType;
const refusedType = firstForeignType + 1;

export type LeaveMessage = { readonly kind: "leave" } | { readonly kind: "refused"; readonly why: string; readonly missing: readonly RaftId[] };

export function encodeLeave(message: LeaveMessage): Uint8Array {
  if (message.kind === "leave") return Uint8Array.of(leaveType);
  return Uint8Array.of(refusedType, ...new TextEncoder().encode([message.why, ...message.missing].join("\n")));
}

/** undefined: it is one of the core's messages. */
export function decodeLeave(bytes: Uint8Array): LeaveMessage | undefined {
  if (bytes[0] === leaveType) return { kind: "leave" };
  if (bytes[0] === refusedType) {
    const [why = "", ...missing] = new TextDecoder().decode(bytes.subarray(1)).split("\n");
    return { kind: "refused", why, missing: missing.map(Number) };
  }
  return undefined;
}
