import { labStart } from "../../../lab/index.js";
import { SwarmError } from "../../../lib/index.js";
import type { Command } from "../../command.js";
import { forEachWord } from "../../each.js";
import { hostFlag, parseHostFlags } from "../../lab-flags.js";
import { labNameFlag, labNameOf } from "../../lab-name.js";

export default {
  usage: "[OPTIONS] HOST…",
  about: "Boots stopped hosts on their disks; on a running host starts its daemon. --host-flag replaces what the host had of its own; \"HOST=\" alone leaves it nothing.",
  args: { min: 1, max: Infinity },
  flags: [labNameFlag, hostFlag],
  async run(input) {
    const lab = labNameOf(input);
    const flags = parseHostFlags(input.flags.list("host-flag"));
    const idle = Object.keys(flags).find((host) => !input.args.includes(host));
    if (idle !== undefined) throw new SwarmError("INVALID_ARGUMENT", `Cannot give a flag to host "${idle}": it is not among the hosts to start`);
    await forEachWord(input.args, async (host) => {
      await labStart(lab, host, flags[host]);
      input.terminal.out(`${host} started\n`);
    });
  },
} satisfies Command as Command;
