import type { Command } from "../../command.js";
import type { GetServiceResponse } from "../../../gen/swarm/v1/GetServiceResponse.js";
import type { ListTasksResponse } from "../../../gen/swarm/v1/ListTasksResponse.js";
import { present } from "../../present.js";
import { filtersOf, listFlags } from "../../print/list.js";
import { printTasks } from "../../print/tasks.js";

export default {
  usage: "[OPTIONS] SERVICE…",
  about: "Lists the tasks of services, with where they run and why they do not.",
  args: { min: 1, max: Infinity },
  flags: listFlags("id, name, node, desired-state, state"),
  examples: [["swarmctl service ps --filter desired-state=running web", "Without those that have ended"]],
  async run(input) {
    // Each is looked up first: a list filtered by a service that is not there would only be empty.
    const ids = await Promise.all(input.args.map(async (ref) => present((await input.connection.control<GetServiceResponse>("getService", { ref })).service, "service").id));
    const filters = [...filtersOf(input), ...ids.map((value) => ({ key: "service", value }))];
    printTasks(input, (await input.connection.control<ListTasksResponse>("listTasks", { filters })).tasks);
  },
} satisfies Command as Command;
