/**
 * The Raft state machine alone, for those who bring their own clock, disk and network: exported as "raft-ts/core". In: `tick`, `step(message)`, `propose` and the other calls of
 * `RaftCore`, and the completions `persisted`, `applied`, `restored`. Out: `ready()`. It reads no clock, touches no disk and opens no connection; it sends nothing itself.
 *
 * After any number of calls, while `isDirty`: take `ready()`, send its `messages`, begin its `write` (when it is synced send that one's `messages` and call `persisted`), apply its `committed`
 * (config entries by `applyConfig`, in their place; then call `applied`), answer its `reads`.
 * What each value means is said in its type. Bytes that are given to it are kept, not copied: they must not be changed.
 */
export { RaftCore, LostLogError } from "./raft.js";
export { emptyConfig, everyone, hasVote, isJoint, isOnlyVoter, isVoter, voters } from "./config.js";
export { decodeConfig, encodeConfig } from "./config-codec.js";
export type {
  Config, ConfigChange, CoreOptions, Entry, EntryKind, Forwarded, ForwardRefusal, ForwardResult, HardState, Message, ProposeResult, Ready, Refusal, RestoredState, Role, SnapshotMeta, Write,
} from "./types.js";
