import type { Command } from "../../command.js";
import { nodeFlag } from "../../docker/container-flags.js";
import { inspectFlags, printObjects } from "../../print/inspect.js";

export default {
  usage: "[OPTIONS]",
  about: "Shows one host's engine in full, as the Docker API has it.",
  args: { min: 0 },
  flags: [...inspectFlags, nodeFlag],
  async run(input) { printObjects(input, [await input.connection.docker(input.flags.text("node")).json<object>("GET", "/info")]); },
} satisfies Command as Command;
