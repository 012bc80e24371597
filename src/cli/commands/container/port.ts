import type { Command } from "../../command.js";
import { nodeFlag } from "../../docker/container-flags.js";
import { formatOf } from "../../print/list.js";

export default {
  usage: "[OPTIONS] CONTAINER",
  about: "Lists where a container's ports are published.",
  args: { min: 1 },
  flags: [{ name: "format", kind: "text", value: "FORMAT", help: "table, json (one array) or jsonl (one object a line)" }, nodeFlag],
  async run(input) {
    const { flags, args, connection, terminal } = input;
    const format = formatOf(input);
    const { NetworkSettings } = await connection.docker(flags.text("node")).json<{ NetworkSettings: { Ports: Record<string, { HostIp: string; HostPort: string }[] | null> } }>("GET", `/containers/${encodeURIComponent(args[0]!)}/json`);
    const rows = Object.entries(NetworkSettings.Ports).flatMap(([port, bindings]) => (bindings ?? []).map(({ HostIp, HostPort }) => ({ port, hostIp: HostIp, hostPort: Number(HostPort) })));
    if (format === "json") terminal.out(`${JSON.stringify(rows, undefined, 2)}\n`);
    else for (const row of rows) terminal.out(format === "jsonl" ? `${JSON.stringify(row)}\n` : `${row.port} → ${row.hostIp.includes(":") ? `[${row.hostIp}]` : row.hostIp}:${row.hostPort}\n`);
  },
} satisfies Command as Command;
