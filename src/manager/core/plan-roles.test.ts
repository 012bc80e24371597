import assert from "node:assert/strict";
import { newNode, newNodeSpec, type Node } from "../../model/index.js";
import { planRoles, type RaftMember } from "./plan-roles.js";

const node = (id: string, role: "MANAGER" | "WORKER", desiredRole = role, raftId?: number): Node =>
  newNode({ id, role, spec: newNodeSpec({ desiredRole }), manager: raftId === undefined ? null : { raftId, addr: `${id}:2377`, isLeader: false, isReachable: false, lagEntries: 0, lastHeardMs: 0, replication: "" } });
const member = (nodeId: string, raftId: number): RaftMember => ({ nodeId, raftId, addr: `${nodeId}:2377`, isLearner: false });
const plan = (nodes: Node[], members: RaftMember[]) => planRoles({ nodes, members, selfId: "m1" })
  .map((step) => (step.kind === "set" ? `set ${step.nodeId} ${step.role} ${step.manager?.raftId ?? "-"}` : step.kind === "leave-raft" ? `leave-raft ${step.nodeId}` : step.kind));

describe("role manager: plan", () => {
  it("does nothing when all is as wished", () => assert.deepEqual(plan([node("m1", "MANAGER", "MANAGER", 1), node("w1", "WORKER")], [member("m1", 1)]), []));
  it("a promoted node gets its role, a member its status", () => {
    assert.deepEqual(plan([node("m1", "MANAGER", "MANAGER", 1), node("w1", "WORKER", "MANAGER")], [member("m1", 1)]), ["set w1 MANAGER -"]);
    assert.deepEqual(plan([node("m1", "MANAGER", "MANAGER", 1), node("m2", "MANAGER")], [member("m1", 1), member("m2", 2)]), ["set m2 MANAGER 2"]);
  });
  it("a demoted node leaves the raft group before it loses its role", () => {
    assert.deepEqual(plan([node("m1", "MANAGER", "MANAGER", 1), node("m2", "MANAGER", "WORKER", 2)], [member("m1", 1), member("m2", 2)]), ["leave-raft m2", "set m2 WORKER -"]);
  });
  it("a demoted leader hands over first and does nothing else", () => {
    assert.deepEqual(plan([node("m1", "MANAGER", "WORKER", 1), node("m2", "MANAGER", "MANAGER", 2)], [member("m1", 1), member("m2", 2)]), ["hand-over"]);
  });
  it("a member whose node was removed leaves the raft group; this manager never takes itself out", () => {
    assert.deepEqual(plan([node("m1", "MANAGER", "MANAGER", 1)], [member("m1", 1), member("gone", 9)]), ["leave-raft gone"]);
    assert.deepEqual(plan([], [member("m1", 1)]), []);
  });
  it("an address that changed is stored", () => assert.deepEqual(plan([node("m1", "MANAGER", "MANAGER", 1)], [{ ...member("m1", 1), addr: "new:1" }]), ["set m1 MANAGER 1"]));
});
