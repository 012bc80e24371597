import { Metadata, type CallOptions, type Client, type ClientReadableStream, type ServiceError } from "@grpc/grpc-js";
import { SwarmError } from "../lib/index.js";
import { fromServiceError } from "./errors.js";

export interface CallSettings {
  /** Gives up after so long, default 30 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly metadata?: Metadata;
}

type UnaryMethod = (request: any, metadata: Metadata, options: CallOptions, callback: (error: ServiceError | null, response: any) => void) => { cancel(): void };

/** One request, one answer; failures are SwarmErrors. `call(client, "createService", { spec })` */
export function call<Response>(client: Client, method: string, request: object, settings: CallSettings = {}): Promise<Response> {
  return new Promise((resolve, reject) => {
    if (settings.signal?.aborted) return reject(settings.signal.reason);
    const invoke = (client as unknown as Record<string, UnaryMethod>)[method];
    if (!invoke) throw new Error(`invariant broken: the API has a method "${method}"`);
    const started = invoke.call(client, request, settings.metadata ?? new Metadata(), { deadline: Date.now() + (settings.timeoutMs ?? 30_000) }, (error, response) => {
      settings.signal?.removeEventListener("abort", cancel);
      if (error) reject(fromServiceError(error)); else resolve(response as Response);
    });
    const cancel = () => started.cancel();
    settings.signal?.addEventListener("abort", cancel, { once: true });
  });
}

/** One request, a stream of answers; ends when the server or the signal ends it. No deadline unless `timeoutMs` is given. */
export async function* stream<Response>(client: Client, method: string, request: object, settings: CallSettings = {}): AsyncGenerator<Response> {
  const open = (client as unknown as Record<string, (request: object, metadata: Metadata, options: CallOptions) => ClientReadableStream<Response>>)[method];
  if (!open) throw new Error(`invariant broken: the API has a method "${method}"`);
  const responses = open.call(client, request, settings.metadata ?? new Metadata(), settings.timeoutMs ? { deadline: Date.now() + settings.timeoutMs } : {});
  const cancel = () => responses.cancel();
  settings.signal?.addEventListener("abort", cancel, { once: true });
  try {
    for await (const message of responses) yield message as Response;
  } catch (error) {
    if (settings.signal?.aborted) throw settings.signal.reason instanceof SwarmError ? settings.signal.reason : new SwarmError("CANCELLED", "cancelled");
    throw fromServiceError(error);
  } finally {
    settings.signal?.removeEventListener("abort", cancel);
    responses.cancel();
  }
}
