import { RepeatFilter, SwarmError, messageOf, type Clock, type Logger } from "../../lib/index.js";
import { parseJoinToken, signNodeCertificate, tokensMatch } from "../../ca/index.js";
import { newNode, newNodeDescription, newNodeSpec, type Cluster, type NodeRole } from "../../model/index.js";
import type { ReadTx, Store } from "../../store/index.js";
import type { IssueCertificateRequest } from "../../gen/swarm/v1/IssueCertificateRequest.js";
import type { IssueCertificateResponse } from "../../gen/swarm/v1/IssueCertificateResponse.js";

export interface CaServerDependencies {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly newId: () => string;
}

/** Leader only, all of it: certificates are for nodes that the store knows. */
export interface CaServer {
  /** `peer` is for the log alone. */
  issue(request: IssueCertificateRequest, peer: string): Promise<IssueCertificateResponse>;
  /** `nodeId` is what the caller's certificate proved. */
  renew(request: { readonly csrPem: string }, nodeId: string): Promise<IssueCertificateResponse>;
}

export function createCaServer({ store, clock, log, newId }: CaServerDependencies): CaServer {
  const repeats = new RepeatFilter(clock);

  async function sign(cluster: Cluster, csrPem: string, nodeId: string, role: NodeRole): Promise<string> {
    if (!cluster.rootCa?.keyPem) throw new SwarmError("FAILED_PRECONDITION", "Cannot sign the certificate: the cluster has no CA key");
    return signNodeCertificate({ root: cluster.rootCa, csrPem, nodeId, role, clusterId: cluster.id, validityMs: cluster.spec!.certificateValidityMs, now: clock.now() });
  }

  return {
    async issue(request, peer) {
      const cluster = store.view((tx) => tx.cluster());
      let role: NodeRole;
      try {
        role = roleOfToken(cluster, request.token);
      } catch (error) {
        const held = repeats.pass(`${peer.replace(/:\d+$/, "")} ${messageOf(error)}`);
        if (held !== undefined) log.warn("join refused", { peer, hostname: request.hostname.slice(0, 100), reason: messageOf(error), ...(held > 0 && { repeated: held }) });
        throw error;
      }
      const hostname = checkedHostname(request.hostname);
      if (!["ACTIVE", "PAUSE", "DRAIN"].includes(request.availability)) throw new SwarmError("INVALID_ARGUMENT", `Cannot join: the availability "${String(request.availability)}" is unknown; use active, pause or drain`);
      const nodeId = newId();
      const certificatePem = await sign(cluster, request.csrPem, nodeId, role);
      await store.update((tx) => tx.create("node", newNode({
        id: nodeId, role, spec: newNodeSpec({ desiredRole: role, availability: request.availability }), description: newNodeDescription({ hostname }),
        status: { state: "UNKNOWN", message: "has a certificate, was not heard of yet", addr: "", sinceMs: clock.now() },
      })));
      log.info("a node joined", { node: nodeId, hostname, role, peer });
      return store.view((tx) => response(tx, certificatePem, nodeId, role));
    },

    async renew({ csrPem }, nodeId) {
      const { cluster, node } = store.view((tx) => ({ cluster: tx.cluster(), node: tx.get("node", nodeId) }));
      if (!node || Object.hasOwn(cluster.removedNodes, nodeId)) {
        log.warn("certificate renewal refused", { node: nodeId, reason: "the node was removed" });
        throw new SwarmError("PERMISSION_DENIED", `Cannot renew the certificate of node "${nodeId}": it was removed from the cluster; run "swarmctl leave --force" on it, then join again`);
      }
      const certificatePem = await sign(cluster, csrPem, nodeId, node.role);
      log.info("renewed a certificate", { node: nodeId, role: node.role });
      return store.view((tx) => response(tx, certificatePem, nodeId, node.role));
    },
  };
}

/** PERMISSION_DENIED with what is wrong about the token; the sentence never holds the token or a part of its secret. */
function roleOfToken(cluster: Cluster, token: string): NodeRole {
  const refuse = (why: string) => new SwarmError("PERMISSION_DENIED", `Cannot join the cluster: ${why}; "swarmctl join-token worker" on a manager shows the present one`);
  if (token.trim() === "") throw refuse("no join token is given");
  let digest: string;
  try {
    ({ digest } = parseJoinToken(token));
  } catch (error) {
    throw refuse(`the join token is malformed (${messageOf(error).replace(/^Cannot use the join token: /, "").replace(/; copy it whole.*$/, "")})`);
  }
  if (digest !== cluster.rootCa?.digest) throw refuse("the join token is of another cluster");
  // Both are compared, always, so that the time taken tells nothing.
  const isWorker = tokensMatch(token, cluster.joinTokens?.worker ?? "");
  const isManager = tokensMatch(token, cluster.joinTokens?.manager ?? "");
  if (isManager) return "MANAGER";
  if (isWorker) return "WORKER";
  throw refuse("the join token is wrong or was rotated");
}

function checkedHostname(hostname: string): string {
  if (!/^[a-zA-Z0-9](?:[a-zA-Z0-9._-]{0,252}[a-zA-Z0-9])?$/.test(hostname)) throw new SwarmError("INVALID_ARGUMENT", `Cannot join: "${hostname.slice(0, 60)}" is no host name; set one with hostnamectl`);
  return hostname;
}

function response(tx: ReadTx, certificatePem: string, nodeId: string, role: NodeRole): IssueCertificateResponse {
  const cluster = tx.cluster();
  return { certificatePem, rootCertificatePem: cluster.rootCa!.certificatePem, nodeId, role, clusterId: cluster.id, managers: managerAddrs(tx) };
}

/** host:port of every member of the raft group. */
export const managerAddrs = (tx: ReadTx): string[] => tx.list("node").flatMap(({ manager }) => (manager?.addr ? [manager.addr] : [])).sort();
