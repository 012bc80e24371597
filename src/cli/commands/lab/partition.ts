import { SwarmError } from "../../../lib/index.js";
import { labPartition } from "../../../lab/index.js";
import type { Command } from "../../command.js";
import { labNameFlag, labNameOf } from "../../lab-name.js";

export default {
  usage: "[OPTIONS] HOST,HOST / HOST,HOST [/ …]",
  about: "Cuts hosts into groups that cannot reach each other; hosts in no group reach everybody. A new partition replaces the old one.",
  args: { min: 1, max: Infinity },
  flags: [labNameFlag],
  examples: [["swarmctl lab partition m1,m2 / m3,w1,w2", "Two managers on one side, one on the other"]],
  async run(input) {
    const groups = input.args.join(" ").split("/").map((group) => group.split(/[\s,]+/).filter(Boolean));
    if (groups.length < 2 || groups.some((group) => group.length === 0)) {
      throw new SwarmError("INVALID_ARGUMENT", `Cannot partition into "${input.args.join(" ")}": name two groups or more with "/" between them, such as m1,m2 / m3,w1.`);
    }
    await labPartition(labNameOf(input), groups);
    input.terminal.out(`partitioned: ${groups.map((group) => group.join(",")).join(" / ")}\n`);
  },
} satisfies Command as Command;
