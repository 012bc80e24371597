import type { Command } from "../../command.js";
import { containerFlags } from "../../docker/container-flags.js";
import { containerRequest } from "../../docker/container-request.js";
import { createContainer } from "../../docker/start-container.js";

export default {
  usage: "[OPTIONS] IMAGE [COMMAND] [ARG…]",
  about: "Makes a container without starting it.",
  args: { min: 1, max: Infinity },
  stopsAtFirstWord: true,
  flags: containerFlags,
  async run(input) {
    const client = input.connection.docker(input.flags.text("node"));
    input.terminal.out(`${await createContainer(client, containerRequest(input.flags, input.args, input.environment), input)}\n`);
  },
} satisfies Command as Command;
