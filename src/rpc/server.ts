import { Server, type ServerOptions } from "@grpc/grpc-js";

/** The largest message taken; larger ones end the call with RESOURCE_EXHAUSTED. */
export const maxMessageBytes = 16 * 1024 * 1024;

export const serverOptions: ServerOptions = {
  "grpc.max_receive_message_length": maxMessageBytes,
  "grpc.max_send_message_length": -1,
  // A peer that vanished without a FIN is noticed within 15 s, and its streams are cancelled.
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 5_000,
  "grpc.max_concurrent_streams": 10_000,
};

/**
 * For nodes of the cluster. gRPC holds a whole message in memory before anyone can ask who sent it, so a hostile worker's unfinished messages
 * cost what this allows; nothing that nodes send each other in one message comes near.
 */
export const memberServerOptions: ServerOptions = { ...serverOptions, "grpc.max_receive_message_length": 4 * 1024 * 1024 };

/** For callers without a certificate: small messages, and no connection is held open without calls. */
export const joiningServerOptions: ServerOptions = {
  ...serverOptions,
  "grpc.max_receive_message_length": 64 * 1024,
  "grpc.max_connection_idle_ms": 30_000,
  "grpc.max_connection_age_ms": 120_000,
  "grpc.max_concurrent_streams": 10,
};

export const newServer = (options: ServerOptions = serverOptions): Server => new Server(options);
