import type { Command } from "../../command.js";
import { filterRows, listFlags, printList } from "../../print/list.js";

export default {
  usage: "[OPTIONS]",
  about: "Lists the clusters that swarmctl knows, and which one it talks to.",
  args: { min: 0 },
  flags: listFlags("name"),
  async run(input) {
    printList(input, filterRows(input, input.contexts.list(), { name: (context, value) => context.name === value }), {
      id: (context) => context.name,
      columns: [
        { title: "CURRENT", value: (context) => (context.isCurrent ? "*" : "") },
        { title: "NAME", value: (context) => context.name },
        { title: "HOSTS", value: (context) => context.sockets.join(" ") },
      ],
    });
  },
} satisfies Command as Command;
