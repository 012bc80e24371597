import type { Command } from "../../command.js";
import { confirm, yesFlag } from "../../confirm.js";
import { hostNetworkFlags, hostNetworks } from "../../docker/local-network.js";
import { forEachWord } from "../../each.js";

export default {
  usage: "[OPTIONS] NETWORK…",
  about: "Removes networks; one that a service uses is refused.",
  args: { min: 1, max: Infinity },
  flags: [yesFlag, ...hostNetworkFlags],
  async run(input) {
    const { flags, args, connection, terminal } = input;
    const host = hostNetworks(flags, connection);
    await confirm(input, `Remove ${args.length === 1 ? `the network "${args[0]}"` : `${args.length} networks`}?`);
    await forEachWord(args, async (ref) => {
      await (host ? host.json("DELETE", `/networks/${encodeURIComponent(ref)}`) : connection.control("removeNetwork", { ref }));
      terminal.out(`${ref}\n`);
    });
  },
} satisfies Command as Command;
