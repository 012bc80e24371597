import { SwarmError } from "../../../lib/index.js";
import type { Command } from "../../command.js";
import { exitCode } from "../../exit-codes.js";
import { parseCount } from "../../parse/number.js";
import { waitFlags, isWaiting, waitForService, waitNotes } from "../../wait/wait-for-service.js";
import { changeService } from "../../spec/change-service.js";

export default {
  usage: "[OPTIONS] SERVICE=REPLICAS…",
  about: "Sets how many replicas services have.",
  args: { min: 1, max: Infinity },
  flags: waitFlags,
  examples: [["swarmctl service scale web=6 api=2", "Two services at once"]],
  notes: waitNotes,
  async run(input) {
    const wanted = input.args.map((word) => {
      const at = word.lastIndexOf("=");
      if (at <= 0) throw new SwarmError("INVALID_ARGUMENT", `Cannot read "${word}": write SERVICE=REPLICAS, such as web=3.`);
      return { ref: word.slice(0, at), replicas: parseCount(word.slice(at + 1), `"${word.slice(0, at)}"`) };
    });
    const scaled: { id: string; name: string }[] = [];
    for (const { ref, replicas } of wanted) {
      const service = await changeService(input, ref, (spec) => {
        if (spec.mode === "GLOBAL") throw new SwarmError("FAILED_PRECONDITION", `Cannot scale "${ref}": it is a global service and runs one task on every node; use constraints to choose the nodes.`);
        return { ...spec, replicas };
      });
      scaled.push({ id: service.id, name: service.spec?.name ?? ref });
      input.terminal.out(`${service.spec?.name ?? ref} scaled to ${replicas}\n`);
    }
    let code: number = exitCode.done;
    if (isWaiting(input)) for (const { id, name } of scaled) code = Math.max(code, await waitForService(input, id, name));
    return code;
  },
} satisfies Command as Command;
