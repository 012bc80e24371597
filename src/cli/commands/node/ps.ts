import type { Command } from "../../command.js";
import type { GetNodeResponse } from "../../../gen/swarm/v1/GetNodeResponse.js";
import type { InfoResponse } from "../../../gen/swarm/v1/InfoResponse.js";
import type { ListTasksResponse } from "../../../gen/swarm/v1/ListTasksResponse.js";
import { present } from "../../present.js";
import { filtersOf, listFlags } from "../../print/list.js";
import { printTasks } from "../../print/tasks.js";

export default {
  usage: "[OPTIONS] [NODE…]",
  about: "Lists the tasks on nodes; without a node, on this one.",
  args: { min: 0, max: Infinity },
  flags: listFlags("id, name, service, desired-state, state"),
  async run(input) {
    const refs = input.args.length ? input.args : [(await input.connection.node<InfoResponse>("info", {})).nodeId];
    const ids = await Promise.all(refs.map(async (ref) => present((await input.connection.control<GetNodeResponse>("getNode", { ref })).node, "node").id));
    const filters = [...filtersOf(input), ...ids.map((value) => ({ key: "node", value }))];
    printTasks(input, (await input.connection.control<ListTasksResponse>("listTasks", { filters })).tasks);
  },
} satisfies Command as Command;
