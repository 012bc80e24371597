import { labStop } from "../../../lab/index.js";
import type { Command } from "../../command.js";
import { forEachWord } from "../../each.js";
import { labNameFlag, labNameOf } from "../../lab-name.js";

export default {
  usage: "[OPTIONS] HOST…",
  about: "Shuts hosts down cleanly; their disks stay.",
  args: { min: 1, max: Infinity },
  flags: [labNameFlag, { name: "daemon", kind: "switch", help: "Only swarmd; the host and its containers go on" }],
  async run(input) {
    const lab = labNameOf(input);
    await forEachWord(input.args, async (host) => {
      await labStop(lab, host, { daemonOnly: input.flags.on("daemon") });
      input.terminal.out(`${host} stopped\n`);
    });
  },
} satisfies Command as Command;
