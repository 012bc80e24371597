/**
 * swarmctl: a command line → one API call → what it answered, printed. One file a command under commands/, pure parsers in parse/,
 * flags ⇄ service specs in spec/, one host's containers over the Docker API in docker/, waiting for convergence in wait/. It decides nothing about the cluster: refusals come from the
 * APIs and are shown as they are. Talks to managers through <run-dir>/manager.sock, to a host's daemon through <run-dir>/swarmd.sock, and to its engine through
 * <run-dir>/docker.sock, or another node's through a manager's <run-dir>/nodes/NAME.sock.
 */
export { runCli, type CliOptions } from "./run.js";
export { connect, socketIn, type Connection } from "./connect.js";
export { ContextStore, defaultRunDir, type Context } from "./context.js";
export { exitCode, exitCodeOf } from "./exit-codes.js";
export { processTerminal, type Terminal } from "./terminal.js";
export { loadImages } from "./upload.js";
export { ServiceWatch } from "./wait/service-watch.js";
export { slotsOf, verdictOf } from "./wait/convergence.js";
export { suggestion } from "./parse/suggest.js";
