import type { Command } from "../../command.js";
import type { CreateNetworkResponse } from "../../../gen/swarm/v1/CreateNetworkResponse.js";
import { newNetworkSpec } from "../../../model/index.js";
import { parseKeyValue, parseLabels } from "../../parse/key-value.js";
import { parseCount } from "../../parse/number.js";
import { SwarmError } from "../../../lib/index.js";
import type { Flags } from "../../flags.js";
import { hostNetworkFlags, hostNetworks } from "../../docker/local-network.js";
import { present } from "../../present.js";

export default {
  usage: "[OPTIONS] NAME",
  about: "Creates a network that spans the cluster's hosts, to which services attach by --network; with --local or --node one of a single host.",
  args: { min: 1 },
  flags: [
    { name: "driver", short: "d", kind: "text", value: "NAME", help: "overlay, the default; on one host bridge, the default, or macvlan" },
    { name: "subnet", kind: "text", value: "CIDR", help: "Its addresses, such as 10.20.0.0/24 (default: from the cluster's pool)" },
    { name: "gateway", kind: "text", value: "IP", help: "The hosts' address on it (default: the subnet's first)" },
    { name: "internal", kind: "switch", help: "No way outside" },
    { name: "attachable", kind: "switch", help: "Shown by network ls; single containers cannot attach to a cluster's network yet" },
    { name: "label", short: "l", kind: "list", value: "KEY=VALUE", help: "Label" },
    { name: "mtu", kind: "text", value: "BYTES", help: "Largest packet (default: the underlay's less 50)" },
    { name: "opt", short: "o", kind: "list", value: "KEY=VALUE", help: "Driver option, on one host only" },
    { name: "ip-range", kind: "text", value: "CIDR", help: "Part of the subnet that addresses are chosen from, on one host only" },
    ...hostNetworkFlags,
  ],
  examples: [["swarmctl network create front", "A network with a subnet from the pool"]],
  async run({ flags, args, connection, terminal }) {
    const host = hostNetworks(flags, connection);
    if (host) {
      const { Id, Warning } = await host.json<{ Id: string; Warning?: string }>("POST", "/networks/create", { body: hostNetwork(args[0]!, flags) });
      if (Warning) terminal.err(`swarmctl: warning: ${Warning}\n`);
      terminal.out(`${Id}\n`);
      return;
    }
    for (const name of ["opt", "ip-range"]) if (flags.has(name)) throw new SwarmError("INVALID_ARGUMENT", `--${name} is for a network of one host: add --local or --node, or leave it out.`);
    const spec = newNetworkSpec({
      name: args[0]!, driver: flags.text("driver") ?? "overlay", subnet: flags.text("subnet") ?? "", gateway: flags.text("gateway") ?? "",
      isInternal: flags.on("internal"), isAttachable: flags.on("attachable"), labels: parseLabels(flags.list("label"), "--label"),
      mtu: flags.has("mtu") ? parseCount(flags.text("mtu")!, "--mtu", { min: 576, max: 65_535 }) : 0,
    });
    terminal.out(`${present((await connection.control<CreateNetworkResponse>("createNetwork", { spec })).network, "network").id}\n`);
  },
} satisfies Command as Command;

/** The body of POST /networks/create. */
function hostNetwork(name: string, flags: Flags): object {
  const [Subnet, IPRange, Gateway] = [flags.text("subnet"), flags.text("ip-range"), flags.text("gateway")];
  const options = Object.fromEntries(flags.list("opt").map((each) => parseKeyValue(each, "--opt")));
  if (flags.has("mtu")) options["com.docker.network.driver.mtu"] = String(parseCount(flags.text("mtu")!, "--mtu", { min: 576, max: 65_535 }));
  return {
    Name: name, Driver: flags.text("driver") ?? "bridge", Internal: flags.on("internal"), Attachable: flags.on("attachable"), Labels: parseLabels(flags.list("label"), "--label"), Options: options,
    ...(Subnet || IPRange || Gateway ? { IPAM: { Config: [{ ...(Subnet && { Subnet }), ...(IPRange && { IPRange }), ...(Gateway && { Gateway }) }] } } : {}),
  };
}
