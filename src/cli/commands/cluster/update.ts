import { SwarmError, codeOf } from "../../../lib/index.js";
import { newClusterSpec } from "../../../model/index.js";
import type { GetClusterResponse } from "../../../gen/swarm/v1/GetClusterResponse.js";
import type { Command } from "../../command.js";
import { present } from "../../present.js";
import { clusterFlags, clusterSpecOf, sharingFlags, sharingRemovalFlags } from "../../spec/cluster-flags.js";

// Where subnets come from and the overlay's port are decided at init: networks that exist depend on them.
const changeable = [...clusterFlags.filter((flag) => ["heartbeat", "task-history", "placement-strategy", "certificate-validity"].includes(flag.name)), ...sharingFlags, ...sharingRemovalFlags];

export default {
  usage: "[OPTIONS]",
  about: "Changes the cluster's settings; the managers and agents follow at once.",
  args: { min: 0 },
  flags: changeable,
  examples: [["swarmctl cluster update --heartbeat 500ms", "Notice a lost node within 1.5 s"], ["swarmctl cluster update --quota team-a=cpu=40,memory=100g,gpu=8", "Bound what one project may reserve"]],
  async run({ flags, connection, terminal }) {
    if (!changeable.some((flag) => flags.has(flag.name))) throw new SwarmError("INVALID_ARGUMENT", "Nothing to change was given: see \"swarmctl cluster update --help\".");
    for (let attempt = 1; ; attempt++) {
      const cluster = present((await connection.control<GetClusterResponse>("getCluster", {})).cluster, "cluster");
      const spec = clusterSpecOf(flags, cluster.spec ?? newClusterSpec());
      try {
        await connection.control("updateCluster", { version: cluster.meta?.version ?? 0, spec });
        terminal.out("The cluster's settings are changed.\n");
        return;
      } catch (error) { if (codeOf(error) !== "ABORTED" || attempt === 5) throw error; }
    }
  },
} satisfies Command as Command;
