import type { Command, CommandInput, FlagSpec } from "../command.js";
import { forEachWord } from "../each.js";
import type { DockerClient } from "./client.js";
import { nodeFlag } from "./container-flags.js";

/** A command that does one thing to each container it names, and prints the names of those it was done to. */
export function eachContainer(about: string, act: (client: DockerClient, name: string, input: CommandInput) => Promise<unknown>, flags: readonly FlagSpec[] = []): Command {
  return {
    usage: "[OPTIONS] CONTAINER…", about, args: { min: 1, max: Infinity }, flags: [...flags, nodeFlag],
    async run(input) {
      const client = input.connection.docker(input.flags.text("node"));
      await forEachWord(input.args, async (name) => {
        const said = await act(client, encodeURIComponent(name), input);
        input.terminal.out(`${typeof said === "number" ? said : name}\n`);
      });
    },
  };
}
