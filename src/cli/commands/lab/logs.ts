import { labLogs } from "../../../lab/index.js";
import type { Command } from "../../command.js";
import { labNameFlag, labNameOf } from "../../lab-name.js";

export default {
  usage: "[OPTIONS] HOST",
  about: "Prints what a host's daemon has logged.",
  args: { min: 1 },
  flags: [labNameFlag, { name: "follow", short: "f", kind: "switch", help: "Go on with new lines" }],
  async run(input) {
    const decoder = new TextDecoder();
    for await (const chunk of labLogs(labNameOf(input), input.args[0]!, { follow: input.flags.on("follow"), signal: input.signal })) {
      input.terminal.out(decoder.decode(chunk, { stream: true }));
    }
  },
} satisfies Command as Command;
