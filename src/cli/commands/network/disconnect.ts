import type { Command } from "../../command.js";
import { nodeFlag } from "../../docker/container-flags.js";

export default {
  usage: "[OPTIONS] NETWORK CONTAINER",
  about: "Takes a container off a network of its host.",
  args: { min: 2 },
  flags: [{ name: "force", short: "f", kind: "switch", help: "Also one that is gone" }, nodeFlag],
  async run({ flags, args, connection }) {
    await connection.docker(flags.text("node")).json("POST", `/networks/${encodeURIComponent(args[0]!)}/disconnect`, { body: { Container: args[1], Force: flags.on("force") } });
  },
} satisfies Command as Command;
