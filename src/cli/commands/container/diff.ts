import type { Command } from "../../command.js";
import { nodeFlag } from "../../docker/container-flags.js";
import { formatOf } from "../../print/list.js";

const kinds = ["C", "A", "D"];

export default {
  usage: "[OPTIONS] CONTAINER",
  about: "Lists what a container has changed of its image's files: A added, C changed, D deleted.",
  args: { min: 1 },
  flags: [{ name: "format", kind: "text", value: "FORMAT", help: "table, json (one array) or jsonl (one object a line)" }, nodeFlag],
  async run(input) {
    const { flags, args, connection, terminal } = input;
    const format = formatOf(input);
    const changes = await connection.docker(flags.text("node")).json<{ Path: string; Kind: number }[] | null>("GET", `/containers/${encodeURIComponent(args[0]!)}/changes`) ?? [];
    if (format === "json") terminal.out(`${JSON.stringify(changes, undefined, 2)}\n`);
    else terminal.out(changes.map((change) => (format === "jsonl" ? `${JSON.stringify(change)}\n` : `${kinds[change.Kind]} ${change.Path}\n`)).join(""));
  },
} satisfies Command as Command;
