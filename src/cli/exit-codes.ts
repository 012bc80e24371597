import { codeOf, type ErrorCode } from "../lib/index.js";

/**
 * What swarmctl's exit codes say; `swarmctl --help` prints this table.
 *   0 done   1 refused or failed   2 bad usage or a bad value   3 accepted, but not (yet) as asked: rejected, pending, paused
 *   4 not found   5 no manager or no leader could be reached   130 interrupted
 */
export const exitCode = { done: 0, failed: 1, badUsage: 2, notConverged: 3, notFound: 4, unreachable: 5, interrupted: 130 } as const;

const ofErrorCode: Readonly<Record<ErrorCode, number>> = {
  INVALID_ARGUMENT: exitCode.badUsage,
  OUT_OF_RANGE: exitCode.badUsage,
  NOT_FOUND: exitCode.notFound,
  UNAVAILABLE: exitCode.unreachable,
  DEADLINE_EXCEEDED: exitCode.unreachable,
  CANCELLED: exitCode.interrupted,
  UNKNOWN: exitCode.failed,
  ALREADY_EXISTS: exitCode.failed,
  PERMISSION_DENIED: exitCode.failed,
  RESOURCE_EXHAUSTED: exitCode.failed,
  FAILED_PRECONDITION: exitCode.failed,
  ABORTED: exitCode.failed,
  UNIMPLEMENTED: exitCode.failed,
  INTERNAL: exitCode.failed,
  DATA_LOSS: exitCode.failed,
  UNAUTHENTICATED: exitCode.failed,
};

export const exitCodeOf = (error: unknown): number => ofErrorCode[codeOf(error)];
