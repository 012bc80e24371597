import type { GetServiceResponse } from "../../../gen/swarm/v1/GetServiceResponse.js";
import { inspectCommand } from "../../inspect-command.js";
import { present } from "../../present.js";

export default inspectCommand("service", async (connection, ref) => {
  const { service, status } = await connection.control<GetServiceResponse>("getService", { ref });
  return { ...present(service, "service"), status };
});
