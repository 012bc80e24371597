import type { GetClusterResponse } from "../../../gen/swarm/v1/GetClusterResponse.js";
import type { Command } from "../../command.js";
import { present } from "../../present.js";
import { inspectFlags, printObjects } from "../../print/inspect.js";

export default {
  usage: "[OPTIONS]",
  about: "Shows the cluster in full, with its settings, its root certificate and the leader's node; the join tokens are shown by \"swarmctl join-token\".",
  args: { min: 0 },
  flags: inspectFlags,
  async run(input) {
    const answer = await input.connection.control<GetClusterResponse>("getCluster", {});
    // Tokens are secrets: this output ends up in tickets and logs.
    const { joinTokens: _tokens, ...cluster } = present(answer.cluster, "cluster");
    printObjects(input, [{ ...cluster, leaderId: answer.leaderId }]);
  },
} satisfies Command as Command;
