import { labDown } from "../../../lab/index.js";
import type { Command } from "../../command.js";
import { confirm, yesFlag } from "../../confirm.js";
import { labNameFlag, labNameOf } from "../../lab-name.js";

export default {
  usage: "[OPTIONS]",
  about: "Removes a lab with its hosts, their disks and its context. Also clears what a crash left of it.",
  args: { min: 0 },
  flags: [labNameFlag, yesFlag],
  async run(input) {
    const name = labNameOf(input);
    await confirm(input, `Remove the lab "${name}" with everything on its hosts?`);
    await labDown(name);
    if (input.contexts.list().some((context) => context.name === name)) input.contexts.remove(name);
    input.terminal.out(`Lab "${name}" is gone.\n`);
  },
} satisfies Command as Command;
