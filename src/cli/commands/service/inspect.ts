import type { Command } from "../../command.js";
import type { GetServiceResponse } from "../../../gen/swarm/v1/GetServiceResponse.js";
import { forEachWord } from "../../each.js";
import { present } from "../../present.js";
import { inspectFlags, printObjects } from "../../print/inspect.js";

export default {
  usage: "[OPTIONS] SERVICE…",
  about: "Shows services in full, as the API has them.",
  args: { min: 1, max: Infinity },
  flags: inspectFlags,
  async run(input) {
    const objects: object[] = [];
    try {
      await forEachWord(input.args, async (ref) => {
        const { service, status } = await input.connection.control<GetServiceResponse>("getService", { ref });
        objects.push({ ...present(service, "service"), status });
      });
    } finally { if (objects.length) printObjects(input, objects); }
  },
} satisfies Command as Command;
