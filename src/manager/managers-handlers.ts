import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import { SwarmError, messageOf, sleep, type Clock, type Logger } from "../lib/index.js";
import { newNodeSpec } from "../model/index.js";
import { parseHostPort, requireManager, unary, type Authorize, type CallContext } from "../rpc/index.js";
import type { Store } from "../store/index.js";
import type { JoinRaftRequest } from "../gen/swarm/v1/JoinRaftRequest.js";
import type { JoinRaftResponse } from "../gen/swarm/v1/JoinRaftResponse.js";
import type { LeaveRaftRequest } from "../gen/swarm/v1/LeaveRaftRequest.js";
import type { ControlApi } from "./control-api/index.js";
import { originOf, type LeaderForward } from "./leader-forward.js";
import type { Replication } from "./replication.js";

export interface ManagersHandlersOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly authorize: Authorize;
  readonly forward: LeaderForward;
  readonly replication: Replication;
  readonly api: ControlApi;
  /** This manager's own node. */
  readonly nodeId: string;
}

const leaveMs = 15_000;

/** swarm.v1.Managers: how managers enter and leave the raft group. The rest of that service is the dispatcher's and the log broker's. */
export function managersHandlers({ store, clock, log, authorize, forward, replication, api, nodeId: selfId }: ManagersHandlersOptions): UntypedServiceImplementation {
  /** The manager that speaks; root on this host speaks for this one, also when that was forwarded. */
  const callerOf = (context: CallContext): string => {
    if (context.caller.kind === "local") return selfId;
    const caller = requireManager(context);
    return originOf(context).nodeId ?? caller.nodeId;
  };

  async function join(nodeId: string, { addr, raftId }: JoinRaftRequest): Promise<JoinRaftResponse> {
    const action = `Cannot make node "${nodeId}" a manager`;
    parseHostPort(addr);
    if (!Number.isSafeInteger(raftId) || raftId <= 0) throw new SwarmError("INVALID_ARGUMENT", `${action}: the raft id ${raftId} is not a positive whole number`);
    const node = store.view((tx) => tx.get("node", nodeId));
    if (!node) throw new SwarmError("NOT_FOUND", `${action}: it was removed from the cluster; run "swarmctl leave --force" on it, then join again`);
    if (node.spec?.desiredRole !== "MANAGER") throw new SwarmError("FAILED_PRECONDITION", `${action}: it was demoted; promote it with "swarmctl node promote ${node.description?.hostname ?? nodeId}"`);
    // The node comes with a new id when it lost its disk: its old self, which promised things that it cannot keep, goes first.
    if (replication.members.some((member) => member.nodeId === nodeId && member.raftId !== raftId)) await replication.removeMember(nodeId);
    const isKnown = replication.members.some((member) => member.raftId === raftId);
    await replication.addMember(raftId, { nodeId, addr });
    if (!isKnown) log.info("a manager joined the raft group", { node: nodeId, addr });
    return { raftId, peers: replication.members.map((member) => ({ raftId: member.raftId, addr: member.addr, nodeId: member.nodeId })) };
  }

  /** A demotion that its own node asks for: the same refusals, and an answer once it is out. */
  async function leave(nodeId: string): Promise<object> {
    const spec = store.view((tx) => tx.get("node", nodeId)?.spec);
    if (spec && spec.desiredRole !== "WORKER") await api.write("UpdateNode", { ref: nodeId, version: 0, spec: newNodeSpec({ ...spec, desiredRole: "WORKER" }) });
    const until = clock.monotonic() + leaveMs;
    while (replication.members.some((member) => member.nodeId === nodeId)) {
      if (!replication.isLeader) throw new SwarmError("UNAVAILABLE", "Cannot leave yet: leadership has just moved; try again");
      if (clock.monotonic() > until) throw new SwarmError("DEADLINE_EXCEEDED", `Cannot take node "${nodeId}" out of the raft group within ${leaveMs / 1000} s: too few managers answer; try again, or leave with --force`);
      await sleep(clock, 50);
    }
    return {};
  }

  return {
    JoinRaft: unary<JoinRaftRequest, JoinRaftResponse>(authorize, (request, context) => {
      const nodeId = callerOf(context);
      return forward.write({ service: "Managers", method: "joinRaft", request, context }, async () => {
        try {
          return await join(nodeId, request);
        } catch (error) {
          log.warn("a manager could not join the raft group", { node: nodeId, reason: messageOf(error) });
          throw error;
        }
      });
    }),
    LeaveRaft: unary<LeaveRaftRequest, object>(authorize, (request, context) => {
      const nodeId = callerOf(context);
      if (request.nodeId !== "" && request.nodeId !== nodeId) throw new SwarmError("PERMISSION_DENIED", `Cannot take node "${request.nodeId}" out of the raft group: node "${nodeId}" may speak for itself only; demote it instead`);
      const answer = forward.write({ service: "Managers", method: "leaveRaft", request, context }, () => leave(nodeId));
      // A manager that leaves may hear from raft that it is out, and end, before the leader's answer comes.
      return nodeId === selfId ? Promise.race([isOut(replication, context.signal), answer]) : answer;
    }),
  };
}

const isOut = (replication: Replication, signal: AbortSignal): Promise<object> => new Promise((resolve) => {
  // Asked again by one that was told to try again, and is out meanwhile.
  if (replication.status.role === "removed") return resolve({});
  const stop = replication.onChange(() => { if (replication.status.role === "removed") { stop(); resolve({}); } });
  signal.addEventListener("abort", stop, { once: true });
});
