import type { Command } from "../../command.js";
import { nodeFlag } from "../../docker/container-flags.js";

export default {
  usage: "[OPTIONS] CONTAINER",
  about: "Lists where a container's ports are published.",
  args: { min: 1 },
  flags: [nodeFlag],
  async run({ flags, args, connection, terminal }) {
    const { NetworkSettings } = await connection.docker(flags.text("node")).json<{ NetworkSettings: { Ports: Record<string, { HostIp: string; HostPort: string }[] | null> } }>("GET", `/containers/${encodeURIComponent(args[0]!)}/json`);
    for (const [port, bindings] of Object.entries(NetworkSettings.Ports)) for (const { HostIp, HostPort } of bindings ?? []) terminal.out(`${port} → ${HostIp.includes(":") ? `[${HostIp}]` : HostIp}:${HostPort}\n`);
  },
} satisfies Command as Command;
