import { codeOf, messageOf, type ErrorCode } from "../../lib/index.js";

const statuses: Record<ErrorCode, number> = {
  INVALID_ARGUMENT: 400, OUT_OF_RANGE: 400, UNAUTHENTICATED: 401, PERMISSION_DENIED: 403, NOT_FOUND: 404, ALREADY_EXISTS: 409, FAILED_PRECONDITION: 409, ABORTED: 409,
  CANCELLED: 500, UNKNOWN: 500, DEADLINE_EXCEEDED: 500, RESOURCE_EXHAUSTED: 500, INTERNAL: 500, DATA_LOSS: 500, UNIMPLEMENTED: 501, UNAVAILABLE: 503,
};

/** An answer of a status that no error code stands for. */
export class HttpError extends Error {
  constructor(readonly status: number, message: string) { super(message); }
}

export const statusOf = (error: unknown): number => (error instanceof HttpError ? error.status : statuses[codeOf(error)]);

/** What every error of the Docker API looks like. */
export const errorBody = (error: unknown): string => `${JSON.stringify({ message: messageOf(error) })}\n`;
