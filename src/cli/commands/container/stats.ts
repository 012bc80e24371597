import type { Command, CommandInput } from "../../command.js";
import { jsonLines, type DockerClient } from "../../docker/client.js";
import { nodeFlag } from "../../docker/container-flags.js";
import { statsRow, type StatsMessage, type StatsRow } from "../../docker/stats-view.js";
import { size } from "../../print/inspect.js";
import { formatOf } from "../../print/list.js";
import { table, type Column } from "../../print/table.js";

export default {
  usage: "[OPTIONS] [CONTAINER…]",
  about: "Shows what containers of one host use: processor, memory, network, disk.",
  args: { min: 0, max: Infinity },
  flags: [
    { name: "all", short: "a", kind: "switch", help: "Also those that do not run" },
    { name: "no-stream", kind: "switch", help: "Once, instead of every second" },
    { name: "format", kind: "text", value: "FORMAT", help: "table, json (one array) or jsonl (one object a line)" },
    nodeFlag,
  ],
  async run(input) {
    const { flags, args, connection, terminal, signal } = input;
    const format = formatOf(input);
    const client = connection.docker(flags.text("node"));
    const isOnce = flags.on("no-stream") || format === "json" || !terminal.outIsTty;
    const ids = args.length > 0 ? args : (await client.json<{ Id: string }[]>("GET", "/containers/json", { query: { all: flags.on("all") } })).map(({ Id }) => Id);
    const latest = new Map<string, StatsRow>();
    const show = () => {
      const rows = ids.flatMap((id) => latest.get(id) ?? []);
      if (format === "jsonl") terminal.out(rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
      else if (format === "json") terminal.out(`${JSON.stringify(rows, undefined, 2)}\n`);
      else terminal.out(`${isOnce ? "" : "\u001b[H\u001b[J"}${table(rows, columns, terminal)}`);
    };
    if (isOnce) {
      await Promise.all(ids.map(async (id) => { latest.set(id, statsRow(await client.json<StatsMessage>("GET", `/containers/${encodeURIComponent(id)}/stats`, { query: { stream: false }, signal }))); }));
      return show();
    }
    const timer = setInterval(show, 1_000);
    try { await Promise.all(ids.map((id) => follow(client, id, input, latest))); } finally { clearInterval(timer); }
  },
} satisfies Command as Command;

async function follow(client: DockerClient, id: string, { signal }: CommandInput, latest: Map<string, StatsRow>): Promise<void> {
  try {
    for await (const message of jsonLines<StatsMessage>(await client.stream("GET", `/containers/${encodeURIComponent(id)}/stats`, { query: { stream: true }, signal }))) latest.set(id, statsRow(message));
  } catch (error) { if (!signal.aborted) throw error; }
}

const columns: readonly Column<StatsRow>[] = [
  { title: "ID", value: (row) => row.id.slice(0, 12) },
  { title: "NAME", value: (row) => row.name },
  { title: "CPU", value: (row) => `${row.cpuPercent.toFixed(2)} %` },
  { title: "MEMORY", value: (row) => `${size(row.memoryBytes)} of ${size(row.memoryLimitBytes)}` },
  { title: "NETWORK IN / OUT", value: (row) => `${size(row.receivedBytes)} / ${size(row.sentBytes)}` },
  { title: "DISK READ / WRITTEN", value: (row) => `${size(row.readBytes)} / ${size(row.writtenBytes)}` },
  { title: "PROCESSES", value: (row) => String(row.pids) },
];
