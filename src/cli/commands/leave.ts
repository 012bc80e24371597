import type { Command } from "../command.js";
import { confirm, yesFlag } from "../confirm.js";

export default {
  usage: "[OPTIONS]",
  about: "Takes this host out of its cluster: its containers stop and its cluster state is deleted. A manager is refused where the rest would lose its quorum.",
  args: { min: 0 },
  flags: [{ name: "force", kind: "switch", help: "Also where managers would be too few, or none can be reached" }, yesFlag],
  async run(input) {
    await confirm(input, "Take this host out of its cluster and stop its containers?");
    await input.connection.node("leave", { force: input.flags.on("force") }, { timeoutMs: 120_000 });
    input.terminal.out("This host has left its cluster.\n");
  },
} satisfies Command as Command;
