import type { GetNetworkResponse } from "../../../gen/swarm/v1/GetNetworkResponse.js";
import { hostNetworkFlags, hostNetworks } from "../../docker/local-network.js";
import { inspectCommand } from "../../inspect-command.js";
import { present } from "../../present.js";

export default inspectCommand("network", async (connection, ref, flags) => {
  const host = hostNetworks(flags, connection);
  if (host) return host.json<object>("GET", `/networks/${encodeURIComponent(ref)}`);
  const { network } = await connection.control<GetNetworkResponse>("getNetwork", { ref });
  return present(network, "network");
}, hostNetworkFlags);
