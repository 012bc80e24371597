import { SwarmError } from "../../../lib/index.js";
import type { Command } from "../../command.js";
import { containerFlags } from "../../docker/container-flags.js";
import { containerRequest } from "../../docker/container-request.js";
import { createContainer, startAttached, startContainer } from "../../docker/start-container.js";

export default {
  usage: "[OPTIONS] IMAGE [COMMAND] [ARG…]",
  about: "Runs one container on one host; its exit code is the command's.",
  args: { min: 1, max: Infinity },
  stopsAtFirstWord: true,
  flags: [{ name: "detach", short: "d", kind: "switch", help: "Print its id and leave it running" }, ...containerFlags],
  examples: [["swarmctl run --rm -it busybox sh", "A shell"], ["swarmctl run -d --node w1 -p 8080:80 --restart always skein/demo", "On the node w1, for good"]],
  async run(input) {
    const { flags, args, connection, terminal, environment } = input;
    const client = connection.docker(flags.text("node"));
    const isTty = flags.on("tty");
    const withInput = flags.on("interactive");
    if (isTty && withInput && !flags.on("detach") && terminal.input.isTTY !== true) throw new SwarmError("INVALID_ARGUMENT", "Cannot give the container this terminal: standard input is none; leave -t out.");
    const id = await createContainer(client, containerRequest(flags, args, environment), input);
    if (flags.on("detach")) {
      const refused = await startContainer(client, id, input);
      if (refused !== undefined) return refused;
      terminal.out(`${id}\n`);
      return 0;
    }
    return startAttached(client, id, input, { isTty, withInput, isRemoved: flags.on("rm") });
  },
} satisfies Command as Command;
