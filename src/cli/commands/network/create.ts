import type { Command } from "../../command.js";
import type { CreateNetworkResponse } from "../../../gen/swarm/v1/CreateNetworkResponse.js";
import { newNetworkSpec } from "../../../model/index.js";
import { parseLabels } from "../../parse/key-value.js";
import { parseCount } from "../../parse/number.js";
import { present } from "../../present.js";

export default {
  usage: "[OPTIONS] NAME",
  about: "Creates a network that spans the cluster's hosts; services attach to it by --network.",
  args: { min: 1 },
  flags: [
    { name: "driver", short: "d", kind: "text", value: "NAME", help: "overlay, the default" },
    { name: "subnet", kind: "text", value: "CIDR", help: "Its addresses, such as 10.20.0.0/24 (default: from the cluster's pool)" },
    { name: "gateway", kind: "text", value: "IP", help: "The hosts' address on it (default: the subnet's first)" },
    { name: "internal", kind: "switch", help: "No way outside" },
    { name: "attachable", kind: "switch", help: "Single containers may attach too" },
    { name: "label", short: "l", kind: "list", value: "KEY=VALUE", help: "Label" },
    { name: "mtu", kind: "text", value: "BYTES", help: "Largest packet (default: the underlay's less 50)" },
  ],
  examples: [["swarmctl network create front", "A network with a subnet from the pool"]],
  async run({ flags, args, connection, terminal }) {
    const spec = newNetworkSpec({
      name: args[0]!, driver: flags.text("driver") ?? "overlay", subnet: flags.text("subnet") ?? "", gateway: flags.text("gateway") ?? "",
      isInternal: flags.on("internal"), isAttachable: flags.on("attachable"), labels: parseLabels(flags.list("label"), "--label"),
      mtu: flags.has("mtu") ? parseCount(flags.text("mtu")!, "--mtu", { min: 576, max: 65_535 }) : 0,
    });
    terminal.out(`${present((await connection.control<CreateNetworkResponse>("createNetwork", { spec })).network, "network").id}\n`);
  },
} satisfies Command as Command;
