import type { Command } from "../../command.js";
import { nodeFlag } from "../../docker/container-flags.js";
import { splitReference } from "../../docker/pull.js";

export default {
  usage: "[OPTIONS] IMAGE NAME[:TAG]",
  about: "Gives an image a further name.",
  args: { min: 2 },
  flags: [nodeFlag],
  async run({ flags, args, connection }) {
    const { fromImage, tag } = splitReference(args[1]!);
    await connection.docker(flags.text("node")).json("POST", `/images/${encodeURIComponent(args[0]!)}/tag`, { query: { repo: fromImage, tag } });
  },
} satisfies Command as Command;
