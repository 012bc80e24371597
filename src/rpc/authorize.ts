import { X509Certificate } from "node:crypto";
import { SwarmError } from "../lib/index.js";
import { identityOf } from "../ca/index.js";
import type { Authorize, CallContext, Caller } from "./handlers.js";

export type NodeCaller = Extract<Caller, { kind: "node" }>;

/** Calls that need no certificate: how a new host gets one. */
const open = new Set(["/swarm.v1.Ca/GetRootCertificate", "/swarm.v1.Ca/IssueCertificate"]);
/** Services for any node; every other one, known or not, is for managers. */
const forNodes = ["/swarm.v1.Dispatcher/", "/swarm.v1.Ca/"];

/** Root on this host: the socket's mode let nobody else in. */
export const localAuthorize: Authorize = () => ({ kind: "local" });

/**
 * The caller that the connection's certificate proves, checked on every call: of this cluster, not removed, not expired, and in a role that may make
 * this call. `removedNodes` is asked each time, so a removal takes effect on connections that are open already.
 */
export function nodeAuthorize(options: { clusterId: string; removedNodes: () => { has(nodeId: string): boolean }; now?: () => number }): Authorize {
  const now = options.now ?? Date.now;
  const readCertificate = certificateReader();
  return (call) => {
    const path = call.getPath();
    const method = path.slice(path.lastIndexOf("/") + 1);
    const refuse = (code: "UNAUTHENTICATED" | "PERMISSION_DENIED", reason: string) => new SwarmError(code, `Cannot call "${method}": ${reason}`);
    const raw = peerCertificateOf(call);
    if (!raw) {
      if (open.has(path)) return { kind: "anonymous" };
      throw refuse("UNAUTHENTICATED", `the connection shows no certificate; join this host to the cluster with "swarmctl join" first`);
    }
    const { identity, notAfterMs } = readCertificate(raw);
    if (identity.clusterId !== options.clusterId) throw refuse("UNAUTHENTICATED", `the certificate is of cluster "${identity.clusterId}", this is "${options.clusterId}"; leave and join again with a token of this cluster`);
    if (options.removedNodes().has(identity.nodeId)) throw refuse("PERMISSION_DENIED", `node "${identity.nodeId}" was removed from the cluster; run "swarmctl leave --force" on it, then join again`);
    if (notAfterMs < now()) throw refuse("UNAUTHENTICATED", `the certificate of node "${identity.nodeId}" expired on ${new Date(notAfterMs).toISOString()}; run "swarmctl leave --force" on it, then join again`);
    if (identity.role !== "MANAGER" && !forNodes.some((prefix) => path.startsWith(prefix))) {
      throw refuse("PERMISSION_DENIED", `node "${identity.nodeId}" is a worker, and only managers may; run the command on a manager`);
    }
    return { kind: "node", ...identity };
  };
}

/** The calling node. */
export function requireNode(context: Pick<CallContext, "caller">): NodeCaller {
  if (context.caller.kind !== "node") throw new SwarmError("UNAUTHENTICATED", "Cannot serve the call: it needs a node's certificate");
  return context.caller;
}

/** The calling node, which must be a manager. */
export function requireManager(context: Pick<CallContext, "caller">): NodeCaller {
  const caller = requireNode(context);
  if (caller.role !== "MANAGER") throw new SwarmError("PERMISSION_DENIED", `Cannot serve the call: node "${caller.nodeId}" is a worker, and only managers may`);
  return caller;
}

/** Root on this host, or another manager that forwards for root on its own. */
export function requireOperator(context: Pick<CallContext, "caller">): Caller {
  return context.caller.kind === "local" ? context.caller : requireManager(context);
}

/** grpc-js reads it from the call's own TLS socket, so nothing can be mixed up between connections; only if the handshake verified it. */
function peerCertificateOf(call: object): Buffer | undefined {
  const context = (call as { getAuthContext?(): { sslPeerCertificate?: { raw: Buffer } } }).getAuthContext?.();
  return context?.sslPeerCertificate?.raw;
}

/** Parses each certificate once: a parse costs 100 µs, and an agent's calls come on one connection. */
function certificateReader() {
  const known = new Map<string, { identity: ReturnType<typeof identityOf>; notAfterMs: number }>();
  return (raw: Buffer) => {
    const key = raw.toString("latin1");
    let entry = known.get(key);
    if (!entry) {
      const certificate = new X509Certificate(raw);
      entry = { identity: identityOf(certificate), notAfterMs: Date.parse(certificate.validTo) };
      if (known.size >= 4096) known.clear();
      known.set(key, entry);
    }
    return entry;
  };
}
