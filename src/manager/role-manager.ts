import { startCoalescingLoop, messageOf, type Clock, type Logger } from "../lib/index.js";
import type { Node } from "../model/index.js";
import type { Store } from "../store/index.js";
import type { Replication } from "./replication.js";
import { planRoles } from "./core/plan-roles.js";

export interface RoleManagerPorts {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: () => number;
  readonly nodeId: string;
  readonly replication: Pick<Replication, "members" | "removeMember" | "transferLeadership" | "onChange">;
}

/**
 * Leader only: makes each node's role follow the wish, and the node objects say who is in the raft group. A promoted node gets its role
 * at once, and with the next renewal the certificate; a demoted one leaves the raft group first.
 */
export function startRoleManager({ store, clock, log, random, nodeId, replication }: RoleManagerPorts): { stop(): Promise<void> } {
  const loop = startCoalescingLoop({ name: "role manager", clock, random, log, run });
  const stopWatching = store.watch((commit) => { if (commit.changes.length === 0 || commit.changes.some(({ table }) => table === "node")) loop.wake(); });
  const stopListening = replication.onChange(() => loop.wake());
  loop.wake();

  async function run(): Promise<void> {
    for (const step of planRoles({ nodes: store.view((tx) => tx.list("node")), members: replication.members, selfId: nodeId })) {
      switch (step.kind) {
        case "leave-raft":
          log.info("taking a manager out of the raft group", { node: step.nodeId });
          await replication.removeMember(step.nodeId);
          break;
        case "hand-over":
          log.info("handing leadership over: this manager is being demoted");
          await replication.transferLeadership();
          return;
        case "set":
          await store.update((tx) => {
            const node = tx.get("node", step.nodeId);
            if (node && isSameWish(node, step)) tx.update("node", { ...node, role: step.role, manager: step.manager });
          });
          break;
      }
    }
  }

  return {
    async stop() {
      stopWatching();
      stopListening();
      await loop.stop().catch((error: unknown) => log.warn("the role manager did not stop cleanly", { error: messageOf(error) }));
    },
  };
}

/** The wish may have changed between the look and the write. */
const isSameWish = (node: Node, step: { readonly desiredRole: string }): boolean => node.spec?.desiredRole === step.desiredRole;
