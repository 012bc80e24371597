import type { Command } from "../command.js";
import { forEachWord } from "../each.js";
import { inspectFlags, printObjects } from "../print/inspect.js";
import type { DockerClient } from "./client.js";
import { nodeFlag } from "./container-flags.js";

/** `NOUN inspect` for what one host has. */
export function inspectOnHost(noun: string, find: (client: DockerClient, word: string) => Promise<object>): Command {
  return {
    usage: `[OPTIONS] ${noun.toUpperCase()}…`, about: `Shows ${noun}s of one host in full, as the Docker API has them.`, args: { min: 1, max: Infinity }, flags: [...inspectFlags, nodeFlag],
    async run(input) {
      const client = input.connection.docker(input.flags.text("node"));
      const objects: object[] = [];
      try { await forEachWord(input.args, async (name) => { objects.push(await find(client, encodeURIComponent(name))); }); } finally { if (objects.length > 0) printObjects(input, objects); }
    },
  };
}
