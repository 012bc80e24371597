import { labPause } from "../../../lab/index.js";
import type { Command } from "../../command.js";
import { forEachWord } from "../../each.js";
import { labNameFlag, labNameOf } from "../../lab-name.js";

export default {
  usage: "[OPTIONS] HOST…",
  about: "Freezes hosts: nothing on them runs, and nothing of them is lost.",
  args: { min: 1, max: Infinity },
  flags: [labNameFlag],
  async run(input) {
    const lab = labNameOf(input);
    await forEachWord(input.args, async (host) => {
      await labPause(lab, host);
      input.terminal.out(`${host} paused\n`);
    });
  },
} satisfies Command as Command;
