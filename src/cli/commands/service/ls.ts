import type { Command } from "../../command.js";
import type { ListServicesResponse } from "../../../gen/swarm/v1/ListServicesResponse.js";
import { filtersOf, listFlags, printList, shortId } from "../../print/list.js";
import { portWords, servicePorts } from "../../print/words.js";

export default {
  usage: "[OPTIONS]",
  about: "Lists the cluster's services.",
  args: { min: 0 },
  flags: listFlags("id, name, label, mode"),
  examples: [["swarmctl service ls --filter label=tier=front", "Services with a label"], ["swarmctl service ls --format jsonl", "One JSON object a line"]],
  async run(input) {
    const { services, statuses } = await input.connection.control<ListServicesResponse>("listServices", { filters: filtersOf(input) });
    const rows = services.map((service, index) => ({ service, status: statuses[index] ?? { serviceId: service.id, running: 0, desired: 0 } }));
    printList(input, rows, {
      id: ({ service }) => service.id,
      json: ({ service, status }) => ({ ...service, status }),
      columns: [
        { title: "ID", value: ({ service }) => shortId(input, service.id) },
        { title: "NAME", value: ({ service }) => service.spec?.name ?? "" },
        { title: "MODE", value: ({ service }) => (service.spec?.mode ?? "").toLowerCase() },
        {
          title: "REPLICAS", value: ({ service, status }) => `${status.running}/${status.desired}${service.isRemoving ? " (being removed)" : service.updateStatus?.state === "UPDATING" ? " (updating)" : service.updateStatus?.state === "UPDATE_PAUSED" ? " (update paused)" : ""}`,
          color: ({ status }) => (status.running === status.desired ? "green" : "yellow"),
        },
        { title: "IMAGE", value: ({ service }) => service.spec?.task?.container?.image ?? "" },
        { title: "PORTS", value: ({ service }) => portWords(servicePorts(service)) },
      ],
    });
  },
} satisfies Command as Command;
