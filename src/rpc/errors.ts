import { Metadata, status, type ServiceError } from "@grpc/grpc-js";
import { SwarmError, messageOf, type ErrorCode } from "../lib/index.js";

/** What a handler threw, as gRPC sends it. A SwarmError keeps its sentence; anything else is a bug and says only that. */
export function toServiceError(error: unknown): Partial<ServiceError> {
  if (error instanceof SwarmError) return { code: status[error.code], details: error.message, message: error.message, metadata: new Metadata() };
  return { code: status.INTERNAL, details: `internal error: ${messageOf(error)}; the daemon's log has more`, metadata: new Metadata() };
}

/** What a call failed with, as the rest of Skein sees it. */
export function fromServiceError(error: unknown): SwarmError {
  if (error instanceof SwarmError) return error;
  const { code, details } = error as Partial<ServiceError>;
  if (code === undefined) return new SwarmError("UNKNOWN", messageOf(error), { cause: error });
  return new SwarmError(status[code] as ErrorCode, details || messageOf(error), { cause: error });
}
