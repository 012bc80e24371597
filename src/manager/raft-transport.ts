import { CallCredentials, ChannelCredentials, Metadata, type ChannelOptions } from "@grpc/grpc-js";
import { GrpcTransport, type Member, type RaftId } from "raft-ts";
import { SwarmError, type Logger } from "../lib/index.js";
import { managerChannelOptions, requireManager, type Authorize } from "../rpc/index.js";
import { decodeContext } from "./replication.js";

/** Raft's messages between managers: on the managers' port, with their certificates. */
export function createRaftTransport(options: {
  readonly raftId: RaftId;
  readonly authorize: Authorize;
  /** The present ones: asked for each new connection, so that a renewed certificate is used from then on. */
  readonly credentials: () => ChannelCredentials;
  readonly members: () => readonly Member[];
  readonly log: Logger;
}): GrpcTransport {
  const { raftId, log } = options;
  const identity = CallCredentials.createFromMetadataGenerator((_, callback) => {
    const metadata = new Metadata();
    metadata.set(raftIdKey, String(raftId));
    callback(null, metadata);
  });
  const credentials = new PresentCredentials(options.credentials, identity);
  return new GrpcTransport({
    self: raftId,
    dial: (member) => ({ address: decodeContext(member)?.addr ?? "", credentials, channelOptions }),
    identify(call) {
      const { nodeId } = requireManager({ caller: options.authorize(call) });
      const claimed = Number(call.metadata.get(raftIdKey)[0]);
      if (!Number.isSafeInteger(claimed) || claimed <= 0) throw new SwarmError("PERMISSION_DENIED", "the call names no raft id");
      // A manager that is being added is not known to every member yet; one that is known speaks for itself only.
      const known = options.members().find(({ id }) => id === claimed);
      if (known && decodeContext(known)?.nodeId !== nodeId) throw new SwarmError("PERMISSION_DENIED", `node "${nodeId}" claims the raft id of another`);
      return claimed;
    },
    log: (level, message, fields) => log[level](message, fields),
  });
}

const raftIdKey = "x-raft-id";

/** Raft's streams always carry heartbeats: a silent peer is noticed within a second of pinging. */
const channelOptions: ChannelOptions = { ...managerChannelOptions, "grpc.keepalive_time_ms": 1_000, "grpc.keepalive_timeout_ms": 2_000, "grpc.max_reconnect_backoff_ms": 500 };

class PresentCredentials extends ChannelCredentials {
  readonly #present: () => ChannelCredentials;
  readonly #call: CallCredentials;

  constructor(present: () => ChannelCredentials, call: CallCredentials) {
    super();
    this.#present = present;
    this.#call = call;
  }

  override _isSecure(): boolean { return true; }
  override _equals(other: ChannelCredentials): boolean { return other === this; }
  override _createSecureConnector(...[target, options, call]: Parameters<ChannelCredentials["_createSecureConnector"]>) {
    return this.#present()._createSecureConnector(target, options, call ? this.#call.compose(call) : this.#call);
  }
}
