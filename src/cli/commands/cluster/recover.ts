import { SwarmError } from "../../../lib/index.js";
import type { Command } from "../../command.js";
import { confirm, yesFlag } from "../../confirm.js";

const warning = "A majority of the managers must be lost for good: this manager becomes the only one, with the state that it has. What the others stored and it never got is lost. "
  + "Stop those that still run before: two halves would become two clusters, each starting all tasks.";

export default {
  usage: "[OPTIONS]",
  about: "Makes this host the only manager of its cluster, when a majority of the managers is lost for good; refused while a leader answers. Managers that come back later join again by themselves.",
  args: { min: 0 },
  flags: [yesFlag],
  async run(input) {
    // Too much is lost by a script that ran in the wrong place.
    if (!input.terminal.canAsk && !input.flags.on("yes")) throw new SwarmError("INVALID_ARGUMENT", `Cannot recover: nobody can be asked here. ${warning} Add --yes if that is what you want.`);
    await confirm(input, `${warning}\nGo on with this manager alone?`);
    await input.connection.node("recover", {}, { timeoutMs: 120_000 });
    input.terminal.out('This host is the only manager of its cluster now. Have three again soon: "swarmctl node promote", or "swarmctl join-token manager".\n');
  },
} satisfies Command as Command;
