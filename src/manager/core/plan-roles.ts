import type { ManagerStatus, Node, NodeRole } from "../../model/index.js";

export interface RaftMember { readonly nodeId: string; readonly raftId: number; readonly addr: string; readonly isLearner: boolean }

export type RoleStep =
  | { readonly kind: "leave-raft"; readonly nodeId: string }
  /** This manager is the one to go: another leader does it. */
  | { readonly kind: "hand-over" }
  | { readonly kind: "set"; readonly nodeId: string; readonly desiredRole: NodeRole; readonly role: NodeRole; readonly manager: ManagerStatus | null };

/** What may be done now so that roles and raft membership follow the nodes' specs. The order counts: out of raft before the role goes. */
export function planRoles({ nodes, members, selfId }: { readonly nodes: readonly Node[]; readonly members: readonly RaftMember[]; readonly selfId: string }): RoleStep[] {
  const steps: RoleStep[] = [];
  const byId = new Map(nodes.map((node) => [node.id, node]));
  for (const member of members) {
    const node = byId.get(member.nodeId);
    if (node && node.spec?.desiredRole !== "WORKER") continue;
    // A leader that is to go takes out nobody else first: its successor will.
    if (member.nodeId === selfId) return node && members.length > 1 ? [{ kind: "hand-over" }] : steps;
    steps.push({ kind: "leave-raft", nodeId: member.nodeId });
  }
  for (const node of nodes) {
    const desiredRole = node.spec?.desiredRole ?? "WORKER";
    const member = desiredRole === "MANAGER" ? members.find(({ nodeId }) => nodeId === node.id) : undefined;
    const manager = member ? { raftId: member.raftId, addr: member.addr, isLeader: false, isReachable: false, lagEntries: 0, lastHeardMs: 0, replication: "" } : null;
    if (node.role === desiredRole && node.manager?.raftId === manager?.raftId && node.manager?.addr === manager?.addr) continue;
    steps.push({ kind: "set", nodeId: node.id, desiredRole, role: desiredRole, manager });
  }
  return steps;
}
