import type { Command } from "../../command.js";
import { nodeFlag } from "../../docker/container-flags.js";
import { parseKeyValue, parseLabels } from "../../parse/key-value.js";

export default {
  usage: "[OPTIONS] [NAME]",
  about: "Creates a volume on one host; without a name, one is made up.",
  args: { min: 0, max: 1 },
  flags: [
    { name: "driver", short: "d", kind: "text", value: "NAME", help: "local, the default" },
    { name: "opt", short: "o", kind: "list", value: "KEY=VALUE", help: "Driver option, such as type=tmpfs" },
    { name: "label", short: "l", kind: "list", value: "KEY=VALUE", help: "Label" },
    nodeFlag,
  ],
  async run({ flags, args, connection, terminal }) {
    const { Name } = await connection.docker(flags.text("node")).json<{ Name: string }>("POST", "/volumes/create", {
      body: { Name: args[0] ?? "", Driver: flags.text("driver") ?? "local", DriverOpts: Object.fromEntries(flags.list("opt").map((each) => parseKeyValue(each, "--opt"))), Labels: parseLabels(flags.list("label"), "--label") },
    });
    terminal.out(`${Name}\n`);
  },
} satisfies Command as Command;
