import type { GetNetworkResponse } from "../../../gen/swarm/v1/GetNetworkResponse.js";
import { inspectCommand } from "../../inspect-command.js";
import { present } from "../../present.js";

export default inspectCommand("network", async (connection, ref) => {
  const { network } = await connection.control<GetNetworkResponse>("getNetwork", { ref });
  return present(network, "network");
});
