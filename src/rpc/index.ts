/**
 * gRPC as Skein uses it: definitions from proto/, typed handlers that know their caller, calls that fail with SwarmErrors, the
 * mutual-TLS listener and the daemon's sockets. Knows certificates and roles, not what any method does.
 */
export { clientConstructor, codec, serviceDefinition, type Codec, type ServiceName } from "./proto.js";
export { packageRoot } from "./package-root.js";
export { fromServiceError, toServiceError } from "./errors.js";
export { bidiStream, clientStream, serverStream, unary, type Authorize, type CallContext, type Caller } from "./handlers.js";
export { call, stream, type CallSettings } from "./call.js";
export { localAuthorize, nodeAuthorize, requireManager, requireNode, requireOperator, type NodeCaller } from "./authorize.js";
export { joiningServerOptions, maxMessageBytes, memberServerOptions, newServer, serverOptions } from "./server.js";
export { listenTls, type TlsListener, type TlsListenOptions } from "./listen-tls.js";
export { listenUnix, type UnixListener } from "./listen-unix.js";
export { listenOnSocketFile } from "./socket-file.js";
export { dialForJoin, dialLocal, dialManager, fetchRootCertificate, managerChannelOptions, managerCredentials, parseHostPort } from "./dial.js";
