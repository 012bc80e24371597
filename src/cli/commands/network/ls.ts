import type { Command } from "../../command.js";
import type { ListNetworksResponse } from "../../../gen/swarm/v1/ListNetworksResponse.js";
import { filtersOf, listFlags, printList, shortId } from "../../print/list.js";

export default {
  usage: "[OPTIONS]",
  about: "Lists the cluster's networks.",
  args: { min: 0 },
  flags: listFlags("id, name, label, driver"),
  async run(input) {
    const { networks } = await input.connection.control<ListNetworksResponse>("listNetworks", { filters: filtersOf(input) });
    printList(input, networks, {
      id: (network) => network.id,
      columns: [
        { title: "ID", value: (network) => shortId(input, network.id) },
        { title: "NAME", value: (network) => network.spec?.name ?? "" },
        { title: "DRIVER", value: (network) => network.spec?.driver ?? "" },
        { title: "SUBNET", value: (network) => network.subnet },
        { title: "GATEWAY", value: (network) => network.gateway },
        { title: "VNI", value: (network) => (network.vni ? String(network.vni) : "") },
        { title: "KIND", value: ({ spec }) => [spec?.isIngress && "ingress", spec?.isInternal && "internal", spec?.isAttachable && "attachable"].filter(Boolean).join(" ") },
      ],
    });
  },
} satisfies Command as Command;
