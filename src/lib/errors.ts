/** The codes of gRPC, which every edge maps from: the API's status, the CLI's exit code, Docker's HTTP status. */
export type ErrorCode =
  | "CANCELLED" | "UNKNOWN" | "INVALID_ARGUMENT" | "DEADLINE_EXCEEDED" | "NOT_FOUND" | "ALREADY_EXISTS" | "PERMISSION_DENIED"
  | "RESOURCE_EXHAUSTED" | "FAILED_PRECONDITION" | "ABORTED" | "OUT_OF_RANGE" | "UNIMPLEMENTED" | "INTERNAL" | "UNAVAILABLE"
  | "DATA_LOSS" | "UNAUTHENTICATED";

/**
 * An expected failure. The message is one sentence for people: action, subject in quotes, colon, present state, what to do next.
 * A bug is not one of these: it is an `assert` that fails.
 */
export class SwarmError extends Error {
  constructor(readonly code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "SwarmError";
  }
}

/** The code of any thrown value; UNKNOWN for what is not a SwarmError. */
export const codeOf = (error: unknown): ErrorCode => (error instanceof SwarmError ? error.code : "UNKNOWN");

/** The sentence to show for any thrown value. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** A failure worth trying again, later or elsewhere. */
export const isRetryable = (error: unknown): boolean =>
  ["UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "RESOURCE_EXHAUSTED"].includes(codeOf(error));

/** States an invariant: false is a bug here, never bad input. */
export function assert(condition: unknown, invariant: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${invariant}`);
}
