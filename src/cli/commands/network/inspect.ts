import type { Command } from "../../command.js";
import type { GetNetworkResponse } from "../../../gen/swarm/v1/GetNetworkResponse.js";
import { forEachWord } from "../../each.js";
import { present } from "../../present.js";
import { inspectFlags, printObjects } from "../../print/inspect.js";

export default {
  usage: "[OPTIONS] NETWORK…",
  about: "Shows networks in full, as the API has them.",
  args: { min: 1, max: Infinity },
  flags: inspectFlags,
  async run(input) {
    const objects: object[] = [];
    try {
      await forEachWord(input.args, async (ref) => {
        const answer = await input.connection.control<GetNetworkResponse>("getNetwork", { ref });
        objects.push(present(answer.network, "network"));
      });
    } finally { if (objects.length) printObjects(input, objects); }
  },
} satisfies Command as Command;
