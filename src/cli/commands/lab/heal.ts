import { labHeal } from "../../../lab/index.js";
import type { Command } from "../../command.js";
import { labNameFlag, labNameOf } from "../../lab-name.js";

export default {
  usage: "[OPTIONS]",
  about: "Ends every partition of a lab.",
  args: { min: 0 },
  flags: [labNameFlag],
  async run(input) {
    await labHeal(labNameOf(input));
    input.terminal.out("healed\n");
  },
} satisfies Command as Command;
