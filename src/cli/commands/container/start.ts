import { SwarmError } from "../../../lib/index.js";
import type { Command } from "../../command.js";
import { nodeFlag } from "../../docker/container-flags.js";
import { startAttached } from "../../docker/start-container.js";
import { forEachWord } from "../../each.js";

export default {
  usage: "[OPTIONS] CONTAINER…",
  about: "Starts containers that do not run.",
  args: { min: 1, max: Infinity },
  flags: [
    { name: "attach", short: "a", kind: "switch", help: "Show its output, and end with its exit code" },
    { name: "interactive", short: "i", kind: "switch", help: "Pass standard input on (with --attach)" },
    nodeFlag,
  ],
  async run(input) {
    const { flags, args, connection, terminal } = input;
    const client = connection.docker(flags.text("node"));
    if (flags.on("attach") || flags.on("interactive")) {
      if (args.length > 1) throw new SwarmError("INVALID_ARGUMENT", "Only one container can be attached to: name one, or leave --attach out.");
      const { Config, HostConfig } = await client.json<{ Config: { Tty: boolean; OpenStdin: boolean }; HostConfig: { AutoRemove: boolean } }>("GET", `/containers/${encodeURIComponent(args[0]!)}/json`);
      return startAttached(client, encodeURIComponent(args[0]!), input, { isTty: Config.Tty, withInput: flags.on("interactive") && Config.OpenStdin, isRemoved: HostConfig.AutoRemove });
    }
    await forEachWord(args, async (name) => { await client.json("POST", `/containers/${encodeURIComponent(name)}/start`); terminal.out(`${name}\n`); });
    return 0;
  },
} satisfies Command as Command;
