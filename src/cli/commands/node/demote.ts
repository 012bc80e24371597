import type { Command } from "../../command.js";
import { forEachWord } from "../../each.js";
import { changeNode, nodeName } from "../../spec/change-node.js";

export default {
  usage: "NODE…",
  about: "Makes managers workers; the last manager, or one that the quorum needs, is refused.",
  args: { min: 1, max: Infinity },
  flags: [],
  async run(input) {
    await forEachWord(input.args, async (ref) => {
      let isChanged = true;
      const node = await changeNode(input, ref, (spec) => { isChanged = spec.desiredRole !== "WORKER"; return { ...spec, desiredRole: "WORKER" }; });
      input.terminal.out(`${nodeName(node)} ${isChanged ? "is to be a worker" : "is a worker already"}\n`);
    });
  },
} satisfies Command as Command;
