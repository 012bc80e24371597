import type { Command } from "../../command.js";
import type { ListTasksResponse } from "../../../gen/swarm/v1/ListTasksResponse.js";
import { filtersOf, listFlags } from "../../print/list.js";
import { printTasks } from "../../print/tasks.js";

export default {
  usage: "[OPTIONS]",
  about: "Lists the tasks of every service.",
  args: { min: 0 },
  flags: listFlags("id, name, service, node, desired-state, state"),
  async run(input) {
    printTasks(input, (await input.connection.control<ListTasksResponse>("listTasks", { filters: filtersOf(input) })).tasks);
  },
} satisfies Command as Command;
