import { resolve } from "node:path";
import { SwarmError } from "../../../lib/index.js";
import type { Command } from "../../command.js";

export default {
  usage: "[OPTIONS] NAME RUN-DIR…",
  about: "Names a cluster by the run directories of hosts of it, which are tried in this order.",
  args: { min: 2, max: Infinity },
  flags: [{ name: "use", kind: "switch", help: "Make it the current one" }, { name: "force", kind: "switch", help: "Replace one of the same name" }],
  examples: [["swarmctl context create --use site /run/skein", "This host's daemon under a name"]],
  async run({ args, flags, contexts, terminal }) {
    const [name, ...places] = args;
    if (!flags.on("force") && contexts.list().some((context) => context.name === name)) {
      throw new SwarmError("ALREADY_EXISTS", `Cannot create the context "${name}": there is one of that name; --force replaces it.`);
    }
    contexts.set(name!, { sockets: places.map((place) => resolve(place)) });
    if (flags.on("use")) contexts.use(name!);
    terminal.out(`${name}\n`);
  },
} satisfies Command as Command;
