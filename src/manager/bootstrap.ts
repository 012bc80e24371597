import { generateJoinToken, type Root } from "../ca/index.js";
import { newCluster, newNetwork, newNetworkSpec, newNode, newNodeDescription, newNodeSpec, withClusterDefaults, type ClusterSpec, type NodeAvailability, type NodeDescription } from "../model/index.js";
import type { Store } from "../store/index.js";

export interface FirstManager { readonly hostname: string; readonly availability?: NodeAvailability; readonly description?: NodeDescription }

export interface ClusterSeed {
  readonly clusterId: string;
  readonly clusterSpec: ClusterSpec | null;
  readonly rootCa: Root;
  readonly nodeId: string;
  readonly self: FirstManager;
}

/** The first objects of a new cluster, in one transaction. On a cluster that has them: nothing. */
export function createFirstObjects(store: Store, seed: ClusterSeed, newId: () => string): Promise<void> {
  const { clusterId, rootCa, nodeId, self } = seed;
  return store.update((tx) => {
    if (tx.list("cluster").length > 0) return;
    tx.create("cluster", newCluster({
      id: clusterId, spec: withClusterDefaults(seed.clusterSpec), rootCa: { certificatePem: rootCa.certificatePem, keyPem: rootCa.keyPem, digest: rootCa.digest },
      joinTokens: { worker: generateJoinToken(rootCa.digest), manager: generateJoinToken(rootCa.digest) },
    }));
    tx.create("node", newNode({
      id: nodeId, role: "MANAGER", spec: newNodeSpec({ desiredRole: "MANAGER", availability: self.availability ?? "ACTIVE" }),
      description: self.description ?? newNodeDescription({ hostname: self.hostname }),
    }));
    tx.create("network", newNetwork({ id: newId(), spec: newNetworkSpec({ name: "ingress", isIngress: true }) }));
  });
}
