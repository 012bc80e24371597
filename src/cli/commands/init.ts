import type { Command } from "../command.js";
import type { InitResponse } from "../../gen/swarm/v1/InitResponse.js";
import { clusterFlags, clusterSpecOf, sharingFlags } from "../spec/cluster-flags.js";
import { availabilities, nodeAddressFlags } from "../spec/node-flags.js";
import { choose } from "../parse/key-value.js";

export default {
  usage: "[OPTIONS]",
  about: "Makes this host the first manager of a new cluster, with a certificate authority of its own.",
  args: { min: 0 },
  flags: [...nodeAddressFlags, { name: "quiet", short: "q", kind: "switch", help: "Print only the worker token" }, ...clusterFlags, ...sharingFlags],
  examples: [["swarmctl init --advertise-addr 192.168.1.10", "A cluster that others reach at this address"]],
  async run({ flags, connection, terminal }) {
    const answer = await connection.node<InitResponse>("init", {
      advertiseAddr: flags.text("advertise-addr") ?? "",
      listenAddr: flags.text("listen-addr") ?? "",
      availability: choose(flags.text("availability") ?? "active", "--availability", availabilities),
      spec: clusterSpecOf(flags),
    }, { timeoutMs: 60_000 });
    if (flags.on("quiet")) { terminal.out(`${answer.workerToken}\n`); return; }
    terminal.out([
      `Cluster ${answer.clusterId} is up; this host is its first manager, node ${answer.nodeId}.`, "",
      "To add a worker, run there:", "", `    swarmctl join --token ${answer.workerToken} ${answer.addr}`, "",
      "To add a manager, see \"swarmctl join-token manager\".", "",
    ].join("\n"));
  },
} satisfies Command as Command;
