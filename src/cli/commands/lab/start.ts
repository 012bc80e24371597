import { labStart } from "../../../lab/index.js";
import type { Command } from "../../command.js";
import { forEachWord } from "../../each.js";
import { labNameFlag, labNameOf } from "../../lab-name.js";

export default {
  usage: "[OPTIONS] HOST…",
  about: "Boots stopped hosts on their disks; on a running host starts its daemon.",
  args: { min: 1, max: Infinity },
  flags: [labNameFlag],
  async run(input) {
    const lab = labNameOf(input);
    await forEachWord(input.args, async (host) => {
      await labStart(lab, host);
      input.terminal.out(`${host} started\n`);
    });
  },
} satisfies Command as Command;
