import type { Command } from "../../command.js";
import { confirm, yesFlag } from "../../confirm.js";
import { nodeFlag } from "../../docker/container-flags.js";
import type { Pruned } from "../../docker/prune-command.js";
import { size } from "../../print/inspect.js";

export default {
  usage: "[OPTIONS]",
  about: "Removes from one host what nothing uses: ended containers, networks, images without a name, the build cache.",
  args: { min: 0 },
  flags: [
    { name: "all", short: "a", kind: "switch", help: "All images that no container was made from" },
    { name: "volumes", kind: "switch", help: "Anonymous volumes too" },
    yesFlag, nodeFlag,
  ],
  async run(input) {
    const { flags, terminal } = input;
    const isAll = flags.on("all");
    await confirm(input, `Remove ended containers, networks${flags.on("volumes") ? ", anonymous volumes" : ""}, ${isAll ? "all images" : "images without a name"} that nothing uses, and the build cache?`);
    const client = input.connection.docker(flags.text("node"));
    let freedBytes = 0;
    for (const [what, path, query] of [
      ["containers", "/containers/prune", {}], ["networks", "/networks/prune", {}], ...(flags.on("volumes") ? [["volumes", "/volumes/prune", {}] as const] : []),
      ["images", "/images/prune", isAll ? { filters: JSON.stringify({ dangling: ["false"] }) } : {}], ["build cache", "/build/prune", { all: isAll }],
    ] as const) {
      const pruned = await client.json<Pruned>("POST", path, { query });
      const count = Object.values(pruned).reduce<number>((sum, list) => sum + (Array.isArray(list) ? list.length : 0), 0);
      freedBytes += pruned.SpaceReclaimed ?? 0;
      if (count > 0) terminal.out(`${what}: ${count} removed\n`);
    }
    terminal.out(`${size(freedBytes)} freed\n`);
  },
} satisfies Command as Command;
