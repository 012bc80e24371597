import { labKill } from "../../../lab/index.js";
import type { Command } from "../../command.js";
import { forEachWord } from "../../each.js";
import { labNameFlag, labNameOf } from "../../lab-name.js";

export default {
  usage: "[OPTIONS] HOST…",
  about: "Cuts hosts' power: everything on them ends at once; their disks stay.",
  args: { min: 1, max: Infinity },
  flags: [labNameFlag, { name: "daemon", kind: "switch", help: "Only swarmd; the host and its containers go on" }],
  async run(input) {
    const lab = labNameOf(input);
    await forEachWord(input.args, async (host) => {
      await labKill(lab, host, { daemonOnly: input.flags.on("daemon") });
      input.terminal.out(`${host} killed\n`);
    });
  },
} satisfies Command as Command;
