import { SwarmError } from "../../lib/index.js";
import { isTerminal, longestCertificateValidityMs, problemOfNodeSpec, stateOf, newTaskStatus, type Cluster, type Node } from "../../model/index.js";
import type { ReadTx, WriteTx } from "../../store/index.js";
import type { GetRequest } from "../../gen/swarm/v1/GetRequest.js";
import type { ListRequest } from "../../gen/swarm/v1/ListRequest.js";
import type { RemoveNodeRequest } from "../../gen/swarm/v1/RemoveNodeRequest.js";
import type { RemoveResponse } from "../../gen/swarm/v1/RemoveResponse.js";
import type { UpdateNodeRequest } from "../../gen/swarm/v1/UpdateNodeRequest.js";
import type { UpdateNodeResponse } from "../../gen/swarm/v1/UpdateNodeResponse.js";
import { containsFilter, idFilter, labelFilter, matcher, wordFilter } from "./filters.js";
import type { ControlDependencies, ManagerMember, Members } from "./ports.js";
import { reservedOnNodes } from "./node-reserved.js";
import { nameOf, resolveRef } from "./refs.js";
import { refuseOldVersion, refuseProblem } from "./refusals.js";

export function listNodes({ members }: ControlDependencies, tx: ReadTx, { filters }: ListRequest) {
  const keep = matcher<Node>("node", filters, {
    name: containsFilter(nameOf.node), id: idFilter, label: labelFilter((node) => node.spec?.labels),
    role: wordFilter("node", "role", ["worker", "manager"], (node) => node.role.toLowerCase()),
    availability: wordFilter("node", "availability", ["active", "pause", "drain"], (node) => node.spec?.availability.toLowerCase() ?? ""),
    state: wordFilter("node", "state", ["unknown", "down", "ready"], (node) => node.status?.state.toLowerCase() ?? "unknown"),
  });
  const nodes = tx.list("node").filter(keep).map((node) => withManagerStatus(node, members));
  nodes.sort((a, b) => (nameOf.node(a) !== nameOf.node(b) ? (nameOf.node(a) < nameOf.node(b) ? -1 : 1) : a.id < b.id ? -1 : 1));
  return { nodes, reserved: reservedOnNodes(tx, nodes) };
}

export function getNode({ members }: ControlDependencies, tx: ReadTx, { ref }: GetRequest) {
  const node = withManagerStatus(resolveRef(tx, "node", ref, "Cannot show"), members);
  return { node, reserved: reservedOnNodes(tx, [node])[0] ?? null };
}

export async function updateNode({ store, members }: ControlDependencies, request: UpdateNodeRequest): Promise<UpdateNodeResponse> {
  const id = await store.update((tx) => {
    const node = resolveRef(tx, "node", request.ref, "Cannot update");
    const action = `Cannot update node "${label(node)}"`;
    const { spec } = request;
    if (!spec) throw new SwarmError("INVALID_ARGUMENT", `${action}: no spec is given`);
    refuseProblem(action, problemOfNodeSpec(spec));
    refuseOldVersion(action, request.version, node.meta?.version);
    if (spec.desiredRole === "WORKER" && node.spec?.desiredRole === "MANAGER") refuseLoss(tx, members, `Cannot demote node "${label(node)}"`, node);
    tx.update("node", { ...node, spec });
    return node.id;
  });
  const node = store.view((tx) => tx.get("node", id));
  if (!node) throw new SwarmError("NOT_FOUND", `Cannot update node "${request.ref}": it was removed meanwhile`);
  return { node: withManagerStatus(node, members) };
}

/** The node's certificates are refused from now on; its tasks are given up, so that others take their places. */
export async function removeNode({ store, members, clock }: ControlDependencies, { ref, force }: RemoveNodeRequest): Promise<RemoveResponse> {
  const refuse = (tx: ReadTx): Node => {
    const node = resolveRef(tx, "node", ref, "Cannot remove");
    const action = `Cannot remove node "${label(node)}"`;
    if (isManager(node, members)) {
      if (!force) throw new SwarmError("FAILED_PRECONDITION", `${action}: it is a manager; demote it first with "swarmctl node demote ${label(node)}", or use --force if it is gone for good`);
      if (node.id === members.leaderNodeId) throw new SwarmError("FAILED_PRECONDITION", `${action}: it is the leader; demote it first with "swarmctl node demote ${label(node)}"`);
      refuseLoss(tx, members, action, node);
    }
    if (!force && node.status?.state === "READY") throw new SwarmError("FAILED_PRECONDITION", `${action}: it is ready and would be cut off; stop it with "swarmctl leave" on it first, or use --force`);
    return node;
  };
  const { id } = store.view(refuse);
  if (members.list().some(({ nodeId }) => nodeId === id)) await members.remove(id);
  await store.update((tx) => {
    const node = tx.get("node", id);
    if (!node) return;
    orphanTasks(tx, node, clock.now());
    tx.remove("node", id);
    tx.update("cluster", withRemovedNode(tx.cluster(), id, clock.now()));
  });
  return { id };
}

/** Losing this manager must leave one, and a majority that answers among those that stay. */
function refuseLoss(tx: ReadTx, members: Members, action: string, leaving: Node): void {
  const isStaying = (nodeId: string) => nodeId !== leaving.id && tx.get("node", nodeId)?.spec?.desiredRole !== "WORKER";
  if (!tx.list("node").some((node) => node.id !== leaving.id && node.spec?.desiredRole === "MANAGER")) {
    throw new SwarmError("FAILED_PRECONDITION", `${action}: it is the last manager, and a cluster needs one; promote another node first`);
  }
  const staying = members.list().filter((member) => !member.isLearner && isStaying(member.nodeId));
  const unreachable = staying.filter((member) => !member.isReachable && member.nodeId !== members.nodeId);
  const needed = Math.floor(staying.length / 2) + 1;
  if (staying.length - unreachable.length >= needed) return;
  const names = unreachable.map(({ nodeId }) => `"${label(tx.get("node", nodeId)) || nodeId}"`).join(", ");
  if (staying.length === 0) throw new SwarmError("FAILED_PRECONDITION", `${action}: no other manager has joined the raft group yet; try again when one has`);
  throw new SwarmError("FAILED_PRECONDITION", `${action}: of the ${staying.length} managers that would stay, ${needed} must answer, and ${names} cannot be reached; bring them back or remove them first`);
}

const isManager = (node: Node, members: Members): boolean => node.role === "MANAGER" || node.spec?.desiredRole === "MANAGER" || members.list().some(({ nodeId }) => nodeId === node.id);

function orphanTasks(tx: WriteTx, node: Node, now: number): void {
  for (const task of tx.tasksOfNode(node.id)) {
    if (isTerminal(stateOf(task))) continue;
    tx.update("task", { ...task, status: { ...(task.status ?? newTaskStatus()), state: "ORPHANED", err: `node "${label(node)}" was removed from the cluster`, timestampMs: now, appliedAtMs: now } });
  }
}

/** An entry may go when the node's last certificate has run out: not by today's validity, which may have been longer when that was issued. */
function withRemovedNode(cluster: Cluster, nodeId: string, now: number): Cluster {
  const kept = Object.entries(cluster.removedNodes).filter(([, until]) => until > now);
  return { ...cluster, removedNodes: { ...Object.fromEntries(kept), [nodeId]: now + longestCertificateValidityMs } };
}

/** Who leads and who answers changes too often for the store: it is filled in when read. */
function withManagerStatus(node: Node, members: Members): Node {
  const member = members.list().find(({ nodeId }) => nodeId === node.id);
  if (!member) return node.manager ? { ...node, manager: { ...node.manager, isLeader: false, isReachable: false, ...following(undefined) } } : node;
  const isLeader = members.leaderNodeId === node.id;
  return { ...node, manager: { raftId: member.raftId, addr: member.addr, isLeader, isReachable: isLeader || member.nodeId === members.nodeId || member.isReachable, ...following(member.progress) } };
}

const following = (progress: ManagerMember["progress"]) => ({ lagEntries: progress?.lagEntries ?? 0, lastHeardMs: progress?.lastHeardMs ?? 0, replication: progress?.state ?? "" });

const label = (node: Node | undefined): string => node?.description?.hostname || node?.id || "";
