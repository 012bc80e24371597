import type { Command } from "../../command.js";
import type { GetTaskResponse } from "../../../gen/swarm/v1/GetTaskResponse.js";
import { forEachWord } from "../../each.js";
import { present } from "../../present.js";
import { inspectFlags, printObjects } from "../../print/inspect.js";

export default {
  usage: "[OPTIONS] TASK…",
  about: "Shows tasks in full, as the API has them.",
  args: { min: 1, max: Infinity },
  flags: inspectFlags,
  async run(input) {
    const objects: object[] = [];
    try {
      await forEachWord(input.args, async (ref) => {
        const answer = await input.connection.control<GetTaskResponse>("getTask", { ref });
        objects.push({ ...present(answer.task, "task"), spec: answer.spec });
      });
    } finally { if (objects.length) printObjects(input, objects); }
  },
} satisfies Command as Command;
