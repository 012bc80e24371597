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

/** Of a message that repeats what a client sent, this much is enough to know it by. */
const messageLimit = 2_000;

/** What every error of the Docker API looks like. */
export function errorBody(error: unknown): string {
  const message = messageOf(error);
  return `${JSON.stringify({ message: message.length > messageLimit ? `${message.slice(0, messageLimit)}…` : message })}\n`;
}
