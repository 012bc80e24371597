import type { Command } from "../../command.js";
import { nodeFlag } from "../../docker/container-flags.js";
import { formatOf } from "../../print/list.js";
import { table } from "../../print/table.js";

export default {
  usage: "[OPTIONS] CONTAINER [PS-ARGUMENT…]",
  about: "Lists the processes of a container, as ps does.",
  args: { min: 1, max: Infinity },
  stopsAtFirstWord: true,
  flags: [{ name: "format", kind: "text", value: "FORMAT", help: "table, json (one array) or jsonl (one object a line)" }, nodeFlag],
  async run(input) {
    const { flags, args: [container, ...ps], connection, terminal } = input;
    const format = formatOf(input);
    const { Titles, Processes } = await connection.docker(flags.text("node")).json<{ Titles: string[]; Processes: string[][] | null }>("GET", `/containers/${encodeURIComponent(container!)}/top`, { query: { ps_args: ps.length > 0 ? ps.join(" ") : undefined } });
    const rows = Processes ?? [];
    const objects = rows.map((row) => Object.fromEntries(Titles.map((title, i) => [title, row[i] ?? ""])));
    if (format === "table") terminal.out(table(rows, Titles.map((title, i) => ({ title, value: (row: string[]) => row[i] ?? "" })), terminal));
    else terminal.out(format === "json" ? `${JSON.stringify(objects, undefined, 2)}\n` : objects.map((object) => `${JSON.stringify(object)}\n`).join(""));
  },
} satisfies Command as Command;
