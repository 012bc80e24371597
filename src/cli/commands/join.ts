import { SwarmError } from "../../lib/index.js";
import type { Command } from "../command.js";
import type { JoinResponse } from "../../gen/swarm/v1/JoinResponse.js";
import { readSecret } from "../parse/secret.js";
import { choose } from "../parse/key-value.js";
import { availabilities, nodeAddressFlags } from "../spec/node-flags.js";

export default {
  usage: "[OPTIONS] --token TOKEN|--token-file FILE HOST[:PORT]",
  about: "Makes this host a node of the cluster whose manager is at HOST; the token decides whether as a worker or as a manager.",
  args: { min: 1 },
  flags: [
    { name: "token", kind: "text", value: "TOKEN", help: "From \"swarmctl join-token worker\" or \"… manager\"" },
    { name: "token-file", kind: "text", value: "FILE", help: "File with the token, - for standard input (a token on the command line can be seen by others)" }, ...nodeAddressFlags,
  ],
  examples: [["swarmctl join --token SKTKN-1-… 192.168.1.10:2377", "Join at a manager's address"]],
  async run({ flags, args, connection, terminal }) {
    const token = flags.has("token-file") ? readSecret(flags.text("token-file")!, "--token-file") : flags.text("token");
    if (!token) throw new SwarmError("INVALID_ARGUMENT", "Cannot join without a token: give --token or --token-file; a manager prints it by \"swarmctl join-token worker\".");
    const answer = await connection.node<JoinResponse>("join", {
      token, addr: args[0], advertiseAddr: flags.text("advertise-addr") ?? "", listenAddr: flags.text("listen-addr") ?? "",
      availability: choose(flags.text("availability") ?? "active", "--availability", availabilities),
    }, { timeoutMs: 90_000 });
    terminal.out(`This host is node ${answer.nodeId}, a ${answer.role.toLowerCase()}.\n`);
  },
} satisfies Command as Command;
