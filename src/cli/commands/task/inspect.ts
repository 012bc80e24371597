import type { GetTaskResponse } from "../../../gen/swarm/v1/GetTaskResponse.js";
import { inspectCommand } from "../../inspect-command.js";
import { present } from "../../present.js";

export default inspectCommand("task", async (connection, ref) => {
  const { task, spec } = await connection.control<GetTaskResponse>("getTask", { ref });
  return { ...present(task, "task"), spec };
});
