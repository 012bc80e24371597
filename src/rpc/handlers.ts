import type {
  Metadata, ServerDuplexStream, ServerUnaryCall, ServerWritableStream, handleBidiStreamingCall, handleClientStreamingCall, handleServerStreamingCall,
  handleUnaryCall, ServerReadableStream,
} from "@grpc/grpc-js";
import type { NodeRole } from "../model/index.js";
import { SwarmError } from "../lib/index.js";
import { toServiceError } from "./errors.js";

/** Who calls, as the connection proves it: nothing in a message can change it. */
export type Caller =
  | { readonly kind: "local" }                                                                              // root on this host's socket
  | { readonly kind: "node"; readonly nodeId: string; readonly role: NodeRole; readonly clusterId: string } // a certificate of this cluster
  | { readonly kind: "anonymous" };                                                                         // TLS without a certificate: joining

export interface CallContext {
  readonly caller: Caller;
  readonly metadata: Metadata;
  /** host:port or "unix" */
  readonly peer: string;
  /** Fires when the caller gave up or went away. */
  readonly signal: AbortSignal;
}

/** Finds the caller of a call; throws UNAUTHENTICATED or PERMISSION_DENIED when it may not make this call. */
export type Authorize = (call: { getPeer(): string; metadata: Metadata; getPath(): string }) => Caller;

type AnyCall = ServerUnaryCall<any, any> | ServerWritableStream<any, any> | ServerReadableStream<any, any> | ServerDuplexStream<any, any>;

function contextOf(call: AnyCall, authorize: Authorize): CallContext {
  const caller = authorize(call);
  const controller = new AbortController();
  (call as NodeJS.EventEmitter).on("cancelled", () => controller.abort(new SwarmError("CANCELLED", "the caller went away")));
  return { caller, metadata: call.metadata, peer: call.getPeer(), signal: controller.signal };
}

/** A request and a promise of its answer. */
export function unary<Request, Response>(authorize: Authorize, handle: (request: Request, context: CallContext) => Promise<Response>): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    void (async () => {
      try {
        callback(null, await handle(call.request, contextOf(call, authorize)));
      } catch (error) { callback(toServiceError(error)); }
    })();
  };
}

/** A request and a stream of answers; a slow caller slows the generator down. */
export function serverStream<Request, Response>(authorize: Authorize, handle: (request: Request, context: CallContext) => AsyncIterable<Response>): handleServerStreamingCall<Request, Response> {
  return (call) => {
    void (async () => {
      try {
        const context = contextOf(call, authorize);
        for await (const message of handle(call.request, context)) {
          if (context.signal.aborted) return;
          if (!call.write(message)) await drained(call, context.signal);
        }
        call.end();
      } catch (error) { fail(call, error); }
    })();
  };
}

/** A stream of requests and one answer. */
export function clientStream<Request, Response>(authorize: Authorize, handle: (requests: AsyncIterable<Request>, context: CallContext) => Promise<Response>): handleClientStreamingCall<Request, Response> {
  return (call, callback) => {
    void (async () => {
      try {
        callback(null, await handle(call as AsyncIterable<Request>, contextOf(call, authorize)));
      } catch (error) { callback(toServiceError(error)); }
    })();
  };
}

/** Both ways, for as long as both want; `handle` owns the stream until its promise ends. */
export function bidiStream<Request, Response>(authorize: Authorize, handle: (stream: ServerDuplexStream<Request, Response>, context: CallContext) => Promise<void>): handleBidiStreamingCall<Request, Response> {
  return (call) => {
    void (async () => {
      try {
        await handle(call, contextOf(call, authorize));
        call.end();
      } catch (error) { fail(call, error); }
    })();
  };
}

/** grpc-js sends the status of an "error" event; a destroyed stream ends without any, and the caller waits for ever. */
function fail(call: ServerWritableStream<any, any> | ServerDuplexStream<any, any>, error: unknown): void {
  call.emit("error", toServiceError(error));
}

function drained(call: ServerWritableStream<any, any>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => { call.off("drain", done); signal.removeEventListener("abort", done); resolve(); };
    call.once("drain", done);
    signal.addEventListener("abort", done, { once: true });
  });
}
