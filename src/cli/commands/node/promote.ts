import type { Command } from "../../command.js";
import { forEachWord } from "../../each.js";
import { changeNode, nodeName } from "../../spec/change-node.js";

export default {
  usage: "NODE…",
  about: "Makes nodes managers; each becomes a member of the raft group once it has caught up.",
  args: { min: 1, max: Infinity },
  flags: [],
  async run(input) {
    await forEachWord(input.args, async (ref) => {
      let isChanged = true;
      const node = await changeNode(input, ref, (spec) => { isChanged = spec.desiredRole !== "MANAGER"; return { ...spec, desiredRole: "MANAGER" }; });
      input.terminal.out(`${nodeName(node)} ${isChanged ? "is to be a manager" : "is a manager already"}\n`);
    });
  },
} satisfies Command as Command;
