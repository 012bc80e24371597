import { codeOf } from "../../../lib/index.js";
import type { Command } from "../../command.js";
import { nodeFlag } from "../../docker/container-flags.js";
import { forEachWord } from "../../each.js";
import { inspectFlags, printObjects } from "../../print/inspect.js";

export default {
  usage: "[OPTIONS] NAME…",
  about: "Shows containers and images of one host in full, as the Docker API has them.",
  args: { min: 1, max: Infinity },
  flags: [...inspectFlags, { name: "size", short: "s", kind: "switch", help: "With the sizes of containers" }, nodeFlag],
  async run(input) {
    const client = input.connection.docker(input.flags.text("node"));
    const objects: object[] = [];
    try {
      await forEachWord(input.args, async (name) => {
        const word = encodeURIComponent(name);
        objects.push(await client.json<object>("GET", `/containers/${word}/json`, { query: { size: input.flags.on("size") } }).catch((error: unknown) => {
          if (codeOf(error) !== "NOT_FOUND") throw error;
          return client.json<object>("GET", `/images/${word}/json`).catch((second: unknown) => { throw codeOf(second) === "NOT_FOUND" ? error : second; });
        }));
      });
    } finally { if (objects.length > 0) printObjects(input, objects); }
  },
} satisfies Command as Command;
