/**
 * The Docker Engine REST API over the engine's contract, for clients that others wrote: docker, docker-compose, dockerode, docker-py, testcontainers.
 * In: HTTP on a Unix socket, on TCP with TLS, or on connections that are handed in. Out: calls of `Engine`, and their answers as Docker words them. It
 * parses, validates, translates and streams; it decides nothing about containers, and knows nothing of the cluster.
 *
 *   http/       server, router, one request and its answer, taking connections over     routes/     one file a noun: which call answers which path
 *   translate/  Docker's JSON ⇄ the contract's types; pure                              streams/    frames, detach keys, joining two ends, JSON lines
 *   relay/      managers reach every node's engine
 */
export { hasGroup, isLoopback, startGateway, type Gateway, type GatewayOptions, type GatewayTcp } from "./gateway.js";
export { listenForManagers, managerPort, type ManagerPort } from "./relay/manager-port.js";
export { serveNodeSockets, type NodePlace, type NodeSockets } from "./relay/node-sockets.js";
