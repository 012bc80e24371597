import { SwarmError } from "../../lib/index.js";
import { generateJoinToken } from "../../ca/index.js";
import { problemOfClusterSpec, withClusterDefaults, type Cluster } from "../../model/index.js";
import type { ReadTx } from "../../store/index.js";
import type { UpdateClusterRequest } from "../../gen/swarm/v1/UpdateClusterRequest.js";
import type { UpdateClusterResponse } from "../../gen/swarm/v1/UpdateClusterResponse.js";
import type { RotateJoinTokenRequest } from "../../gen/swarm/v1/RotateJoinTokenRequest.js";
import type { RotateJoinTokenResponse } from "../../gen/swarm/v1/RotateJoinTokenResponse.js";
import type { ControlDependencies } from "./ports.js";
import { refuseOldVersion, refuseProblem } from "./refusals.js";

export function getCluster({ members }: ControlDependencies, tx: ReadTx) {
  return { cluster: withoutKey(tx.cluster()), leaderId: members.leaderNodeId ?? "" };
}

export async function updateCluster({ store }: ControlDependencies, request: UpdateClusterRequest): Promise<UpdateClusterResponse> {
  const action = "Cannot update the cluster";
  if (!request.spec) throw new SwarmError("INVALID_ARGUMENT", `${action}: no spec is given`);
  const spec = withClusterDefaults(request.spec);
  refuseProblem(action, problemOfClusterSpec(spec));
  await store.update((tx) => {
    const cluster = tx.cluster();
    refuseOldVersion(action, request.version, cluster.meta?.version);
    if (spec.name !== cluster.spec?.name) throw new SwarmError("INVALID_ARGUMENT", `${action}: its name is "${cluster.spec?.name}" and cannot be changed to "${spec.name}"`);
    tx.update("cluster", { ...cluster, spec });
  });
  return { cluster: store.view((tx) => withoutKey(tx.cluster())) };
}

export async function rotateJoinToken({ store, log }: ControlDependencies, { role }: RotateJoinTokenRequest): Promise<RotateJoinTokenResponse> {
  if (role !== "WORKER" && role !== "MANAGER") throw new SwarmError("INVALID_ARGUMENT", `Cannot rotate the join token: the role "${String(role)}" is unknown; use worker or manager`);
  const token = await store.update((tx) => {
    const cluster = tx.cluster();
    const fresh = generateJoinToken(cluster.rootCa?.digest ?? "");
    const tokens = cluster.joinTokens ?? { worker: "", manager: "" };
    tx.update("cluster", { ...cluster, joinTokens: role === "WORKER" ? { ...tokens, worker: fresh } : { ...tokens, manager: fresh } });
    return fresh;
  });
  log.info("rotated the join token", { role });
  return { token };
}

/** The CA's key never leaves the managers' own store. */
const withoutKey = (cluster: Cluster): Cluster => ({ ...cluster, rootCa: cluster.rootCa && { ...cluster.rootCa, keyPem: "" } });
