import type { Node } from "../../../model/index.js";
import type { ListNodesResponse } from "../../../gen/swarm/v1/ListNodesResponse.js";
import type { Command } from "../../command.js";
import { filtersOf, listFlags, printList, shortId } from "../../print/list.js";

export default {
  usage: "[OPTIONS]",
  about: "Shows how the managers' copies of the cluster's state follow the leader's. Term, commit index and totals are among \"swarmctl cluster metrics\" (raft_…).",
  args: { min: 0 },
  flags: listFlags("id, name, label"),
  async run(input) {
    const { nodes } = await input.connection.control<ListNodesResponse>("listNodes", { filters: filtersOf(input) });
    const managers = nodes.filter(({ manager }) => manager).sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
    const isFollower = ({ manager }: Node) => (manager?.replication ?? "") !== "";
    printList(input, managers, {
      id: (node) => node.id,
      json: (node) => ({ nodeId: node.id, hostname: nameOf(node), ...node.manager }),
      columns: [
        { title: "ID", value: (node) => shortId(input, node.id) },
        { title: "HOSTNAME", value: nameOf },
        { title: "ADDRESS", value: (node) => node.manager?.addr ?? "" },
        { title: "ROLE", value: (node) => (node.manager?.isLeader ? "leader" : node.manager?.isReachable ? "follower" : "unreachable"), color: (node) => (node.manager?.isLeader ? "bold" : node.manager?.isReachable ? undefined : "red") },
        { title: "REPLICATION", value: (node) => node.manager?.replication ?? "" },
        { title: "LAG", value: (node) => (isFollower(node) ? `${node.manager!.lagEntries} entries` : "") },
        { title: "LAST HEARD", value: (node) => (isFollower(node) ? `${node.manager!.lastHeardMs} ms ago` : "") },
      ],
    });
  },
} satisfies Command as Command;

const nameOf = (node: Node): string => node.description?.hostname ?? "";
