import type { GetNodeResponse } from "../../../gen/swarm/v1/GetNodeResponse.js";
import { inspectCommand } from "../../inspect-command.js";
import { present } from "../../present.js";

export default inspectCommand("node", async (connection, ref) => {
  const { node, reserved } = await connection.control<GetNodeResponse>("getNode", { ref });
  return { ...present(node, "node"), reserved };
});
