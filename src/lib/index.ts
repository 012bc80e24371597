/**
 * Small things with no domain word in them. Level 0: imports nothing of Skein.
 * What touches the outside (the system clock, standard error) is behind a port that tests replace.
 */
export { SwarmError, assert, codeOf, isRetryable, messageOf, type ErrorCode } from "./errors.js";
export { systemClock, sleep, type Clock, type Timer } from "./clock.js";
export { backoffMs } from "./backoff.js";
export { createLogger, silentLogger, type LogFields, type LogLevel, type Logger } from "./log.js";
export { idFromBytes } from "./id.js";
export { KeyedLock } from "./keyed-lock.js";
export { Counter, Gauge, Histogram, Metrics, type Labels } from "./metrics.js";
export { printable } from "./printable.js";
export { RepeatFilter } from "./repeat-filter.js";
export { seededRandom } from "./seeded-random.js";
export { ShardedMap } from "./sharded-map.js";
export { startThread } from "./thread.js";
export { startCoalescingLoop, type CoalescingLoop } from "./coalescing-loop.js";
