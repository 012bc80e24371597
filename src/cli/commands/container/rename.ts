import type { Command } from "../../command.js";
import { nodeFlag } from "../../docker/container-flags.js";

export default {
  usage: "[OPTIONS] CONTAINER NAME",
  about: "Gives a container another name.",
  args: { min: 2 },
  flags: [nodeFlag],
  async run({ flags, args, connection }) {
    await connection.docker(flags.text("node")).json("POST", `/containers/${encodeURIComponent(args[0]!)}/rename`, { query: { name: args[1] } });
  },
} satisfies Command as Command;
