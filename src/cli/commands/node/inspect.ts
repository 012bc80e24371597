import type { Command } from "../../command.js";
import type { GetNodeResponse } from "../../../gen/swarm/v1/GetNodeResponse.js";
import { forEachWord } from "../../each.js";
import { present } from "../../present.js";
import { inspectFlags, printObjects } from "../../print/inspect.js";

export default {
  usage: "[OPTIONS] NODE…",
  about: "Shows nodes in full, as the API has them.",
  args: { min: 1, max: Infinity },
  flags: inspectFlags,
  async run(input) {
    const objects: object[] = [];
    try {
      await forEachWord(input.args, async (ref) => {
        const answer = await input.connection.control<GetNodeResponse>("getNode", { ref });
        objects.push(present(answer.node, "node"));
      });
    } finally { if (objects.length) printObjects(input, objects); }
  },
} satisfies Command as Command;
