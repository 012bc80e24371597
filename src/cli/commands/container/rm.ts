import { confirm, yesFlag } from "../../confirm.js";
import { eachContainer } from "../../docker/each-container.js";
import type { Command } from "../../command.js";

const remove = eachContainer("Removes containers; one that runs is refused without --force.", (client, name, { flags }) =>
  client.json("DELETE", `/containers/${name}`, { query: { force: flags.on("force"), v: flags.on("volumes") } }), [
  { name: "force", short: "f", kind: "switch", help: "Kill what runs" },
  { name: "volumes", short: "v", kind: "switch", help: "Their anonymous volumes too" },
  yesFlag,
]);

export default {
  ...remove,
  async run(input) {
    if (input.flags.on("force")) await confirm(input, `Kill and remove ${input.args.length === 1 ? `the container "${input.args[0]}"` : `${input.args.length} containers`}?`);
    return remove.run(input);
  },
} satisfies Command as Command;
