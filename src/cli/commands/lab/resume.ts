import { labResume } from "../../../lab/index.js";
import type { Command } from "../../command.js";
import { forEachWord } from "../../each.js";
import { labNameFlag, labNameOf } from "../../lab-name.js";

export default {
  usage: "[OPTIONS] HOST…",
  about: "Thaws frozen hosts.",
  args: { min: 1, max: Infinity },
  flags: [labNameFlag],
  async run(input) {
    const lab = labNameOf(input);
    await forEachWord(input.args, async (host) => {
      await labResume(lab, host);
      input.terminal.out(`${host} resumed\n`);
    });
  },
} satisfies Command as Command;
