import { call } from "../../../rpc/index.js";
import type { RemoveImageResponse } from "../../../gen/swarm/v1/RemoveImageResponse.js";
import type { Command } from "../../command.js";
import { forEachWord } from "../../each.js";
import { familiar } from "./ls.js";

export default {
  usage: "[OPTIONS] IMAGE…",
  about: "Removes images from one host; one that a container uses is refused.",
  args: { min: 1, max: Infinity },
  flags: [{ name: "force", short: "f", kind: "switch", help: "Also an image that ended containers use, or that has several names" }],
  async run({ flags, args, connection, terminal }) {
    const engine = await connection.engine();
    await forEachWord(args, async (reference) => {
      const { untagged, deleted } = await call<RemoveImageResponse>(engine, "removeImage", { reference, force: flags.on("force") });
      for (const each of untagged) terminal.out(`untagged ${familiar(each)}\n`);
      for (const each of deleted) terminal.out(`deleted ${each}\n`);
    });
  },
} satisfies Command as Command;
