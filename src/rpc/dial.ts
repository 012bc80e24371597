import { createConnection } from "node:net";
import { createSecureContext } from "node:tls";
import { ChannelCredentials, type ChannelOptions, type Client } from "@grpc/grpc-js";
import { SwarmError } from "../lib/index.js";
import { roleNames, tlsContextOf, verifyRootDigest, type TlsIdentity } from "../ca/index.js";
import { call } from "./call.js";
import { clientConstructor, type ServiceName } from "./proto.js";
import { maxMessageBytes } from "./server.js";

/** Options of every channel of Skein. */
const commonOptions: ChannelOptions = {
  // Between hosts of one cluster a proxy of the environment is never meant.
  "grpc.enable_http_proxy": 0,
  "grpc.service_config_disable_resolution": 1,
  "grpc.max_receive_message_length": 4 * maxMessageBytes,
  "grpc.max_send_message_length": -1,
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 1_000,
};

/**
 * Channels to managers. A silent peer (power cut, partition, SIGSTOP) is noticed within 4 s; where only calls with deadlines are made
 * the pings stop with the calls.
 */
export const managerChannelOptions: ChannelOptions = {
  ...commonOptions,
  // Hosts are called by address; what makes a server a manager is the role in its certificate.
  "grpc.ssl_target_name_override": roleNames.MANAGER,
  "grpc.keepalive_time_ms": 2_000,
  "grpc.keepalive_timeout_ms": 2_000,
  "grpc.keepalive_permit_without_calls": 0,
};

/** Mutual TLS 1.3 as `identity`. Make one per identity and share it: channels with the same credentials share a connection. */
export function managerCredentials(identity: TlsIdentity): ChannelCredentials {
  return withConnectTimeout(ChannelCredentials.createFromSecureContext(createSecureContext(tlsContextOf(identity))));
}

/** A client of a manager's service. Close it when done. */
export function dialManager(service: ServiceName, addr: string, credentials: ChannelCredentials): Client {
  return new (clientConstructor(service))(addr, credentials, managerChannelOptions);
}

/** A client of a service on this host's socket. */
export function dialLocal(service: ServiceName, path: string): Client {
  return new (clientConstructor(service))(`unix:${path}`, ChannelCredentials.createInsecure(), { ...commonOptions, "grpc.default_authority": "localhost" });
}

/** The root certificate of the cluster behind `addr`: fetched without trust, believed only because its digest is the token's. */
export async function fetchRootCertificate(addr: string, digest: string, settings: { timeoutMs?: number; signal?: AbortSignal } = {}): Promise<string> {
  const context = createSecureContext({ minVersion: "TLSv1.3", maxVersion: "TLSv1.3" });
  const blind = withConnectTimeout(ChannelCredentials.createFromSecureContext(context, { rejectUnauthorized: false, checkServerIdentity: () => undefined }));
  // A pool of its own: this unverified connection must not be shared with anything.
  const client = new (clientConstructor("Ca"))(addr, blind, { ...managerChannelOptions, "grpc.use_local_subchannel_pool": 1 });
  try {
    const { certificatePem } = await call<{ certificatePem: string }>(client, "getRootCertificate", {}, { timeoutMs: settings.timeoutMs ?? 10_000, signal: settings.signal });
    verifyRootDigest(certificatePem, digest);
    return certificatePem;
  } finally { client.close(); }
}

/** A client of Ca for a host that has no certificate yet; the server is verified against the root and must be a manager. */
export function dialForJoin(addr: string, rootCertificatePem: string): Client {
  const context = createSecureContext({ ca: rootCertificatePem, minVersion: "TLSv1.3", maxVersion: "TLSv1.3" });
  return new (clientConstructor("Ca"))(addr, withConnectTimeout(ChannelCredentials.createFromSecureContext(context)), { ...managerChannelOptions, "grpc.use_local_subchannel_pool": 1 });
}

const connectTimeoutMs = 2_000;
const handshakeTimeoutMs = 5_000;

/**
 * grpc-js sets no bound on connecting: towards a host that drops packets, one attempt lasts until the kernel gives up (127 s), and after a
 * partition healed it waits for the next of ever rarer SYNs. So each attempt first makes sure, in bounded time, that the port
 * takes connections, and the handshake is bounded too.
 */
function withConnectTimeout(credentials: ChannelCredentials): ChannelCredentials {
  const create = credentials._createSecureConnector.bind(credentials);
  credentials._createSecureConnector = (target, options, callCredentials) => {
    const connector = create(target, options, callCredentials);
    return {
      waitForReady: async () => { await connector.waitForReady(); await probe(target.path); },
      connect: (socket) => {
        const timer = setTimeout(() => socket.destroy(new Error(`the TLS handshake took longer than ${handshakeTimeoutMs} ms`)), handshakeTimeoutMs);
        const ended = new Promise<never>((_, reject) => { socket.once("error", reject); socket.once("close", () => reject(new Error("the connection was closed during the TLS handshake"))); });
        return Promise.race([connector.connect(socket), ended]).finally(() => clearTimeout(timer));
      },
      getCallCredentials: () => connector.getCallCredentials(),
      destroy: () => connector.destroy(),
    };
  };
  return credentials;
}

function probe(hostPort: string): Promise<void> {
  const { host, port } = parseHostPort(hostPort);
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host, port, timeout: connectTimeoutMs });
    socket.once("connect", () => { socket.destroy(); resolve(); });
    socket.once("timeout", () => { socket.destroy(); reject(new Error(`no answer from ${hostPort} within ${connectTimeoutMs} ms`)); });
    socket.once("error", reject);
  });
}

/** "host:port", "[v6]:port" or "host" alone. */
export function parseHostPort(text: string, defaultPort = 2377): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text.trim());
  const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
  if (!match || port < 1 || port > 65_535) throw new SwarmError("INVALID_ARGUMENT", `Cannot use the address "${text}": it must be HOST or HOST:PORT, such as 192.0.2.10:2377`);
  return { host: (match[1] ?? match[2])!, port };
}
