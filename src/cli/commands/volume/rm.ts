import type { GetVolumeResponse } from "../../../gen/swarm/v1/GetVolumeResponse.js";
import type { Command } from "../../command.js";
import { confirm, yesFlag } from "../../confirm.js";
import { nodeFlag } from "../../docker/container-flags.js";
import { forEachWord } from "../../each.js";
import { clusterFlag, isOfCluster } from "../../spec/volume-flags.js";

export default {
  usage: "[OPTIONS] VOLUME…",
  about: "Removes volumes of one host with what is in them, or with --cluster volumes of the cluster, whose files stay on their nodes; one that somebody has is refused.",
  args: { min: 1, max: Infinity },
  flags: [{ name: "force", short: "f", kind: "switch", help: "One that is not there is fine; with --cluster: also one that is in use, whose tasks are stopped" }, yesFlag, clusterFlag, nodeFlag],
  async run(input) {
    const { flags, args, connection, terminal } = input;
    const isCluster = isOfCluster(flags);
    const subject = args.length === 1 ? `the volume "${args[0]}"` : `${args.length} volumes`;
    await confirm(input, isCluster ? `Remove ${subject} from the cluster?` : `Remove ${subject} with what is in ${args.length === 1 ? "it" : "them"}?`);
    const client = isCluster ? undefined : connection.docker(flags.text("node"));
    await forEachWord(args, async (ref) => {
      if (client) await client.json("DELETE", `/volumes/${encodeURIComponent(ref)}`, { query: { force: flags.on("force") } });
      else {
        const { volume, use } = await connection.control<GetVolumeResponse>("getVolume", { ref });
        await connection.control("removeVolume", { ref, force: flags.on("force") });
        if (use?.nodeName) terminal.err(`Its files are still on node ${use.nodeName}; "swarmctl volume rm --node ${use.nodeName} ${volume?.spec?.name ?? ref}" removes them.\n`);
      }
      terminal.out(`${ref}\n`);
    });
  },
} satisfies Command as Command;
