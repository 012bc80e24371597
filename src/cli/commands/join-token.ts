import type { Command } from "../command.js";
import type { GetClusterResponse } from "../../gen/swarm/v1/GetClusterResponse.js";
import type { ListNodesResponse } from "../../gen/swarm/v1/ListNodesResponse.js";
import type { RotateJoinTokenResponse } from "../../gen/swarm/v1/RotateJoinTokenResponse.js";
import { choose } from "../parse/key-value.js";
import { present } from "../present.js";

export default {
  usage: "[OPTIONS] worker|manager",
  about: "Shows the token that lets hosts join in a role, and the command to run there. Whoever has the manager's token can take over the cluster.",
  args: { min: 1 },
  flags: [
    { name: "rotate", kind: "switch", help: "Make a new one; the old one lets nobody in any more" },
    { name: "quiet", short: "q", kind: "switch", help: "Print only the token" },
  ],
  examples: [["swarmctl join-token worker", "The command that adds a worker"], ["swarmctl join-token manager --rotate -q", "A new token for managers"]],
  async run({ flags, args, connection, terminal }) {
    const role = choose(args[0]!, "the role", { worker: "WORKER", manager: "MANAGER" } as const);
    const token = flags.on("rotate")
      ? (await connection.control<RotateJoinTokenResponse>("rotateJoinToken", { role })).token
      : present(present((await connection.control<GetClusterResponse>("getCluster", {})).cluster, "cluster").joinTokens, "join tokens")[role === "WORKER" ? "worker" : "manager"];
    if (flags.on("quiet")) { terminal.out(`${token}\n`); return; }
    const { nodes } = await connection.control<ListNodesResponse>("listNodes", { filters: [] });
    const managers = nodes.flatMap((node) => (node.manager ? [node.manager] : []));
    const address = (managers.find((manager) => manager.isLeader) ?? managers[0])?.addr ?? "MANAGER-ADDRESS";
    terminal.out(`${flags.on("rotate") ? `The old ${args[0]} token is void. ` : ""}To add a ${args[0]}, run there:\n\n    swarmctl join --token ${token} ${address}\n\n`);
  },
} satisfies Command as Command;
