import type { Command, CommandInput } from "../../command.js";
import type { ListNetworksResponse } from "../../../gen/swarm/v1/ListNetworksResponse.js";
import { filtersParameter, type DockerClient } from "../../docker/client.js";
import { hostNetworkFlags, hostNetworks, type HostNetwork } from "../../docker/local-network.js";
import { filtersOf, listFlags, printList, shortId } from "../../print/list.js";

export default {
  usage: "[OPTIONS]",
  about: "Lists the cluster's networks, or those of one host.",
  args: { min: 0 },
  flags: [...listFlags("id, name, label, driver"), ...hostNetworkFlags],
  async run(input) {
    const host = hostNetworks(input.flags, input.connection);
    if (host) return listHostNetworks(input, host);
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

async function listHostNetworks(input: CommandInput, host: DockerClient): Promise<void> {
  const networks = await host.json<HostNetwork[]>("GET", "/networks", { query: { filters: filtersParameter(filtersOf(input)) } });
  printList(input, networks, {
    id: (network) => shortId(input, network.Id),
    columns: [
      { title: "ID", value: (network) => shortId(input, network.Id) },
      { title: "NAME", value: (network) => network.Name },
      { title: "DRIVER", value: (network) => network.Driver },
      { title: "SUBNET", value: ({ IPAM }) => (IPAM.Config ?? []).map(({ Subnet }) => Subnet ?? "").join(" ") },
      { title: "GATEWAY", value: ({ IPAM }) => (IPAM.Config ?? []).map(({ Gateway }) => Gateway ?? "").join(" ") },
      { title: "KIND", value: ({ Internal, Attachable }) => [Internal && "internal", Attachable && "attachable"].filter(Boolean).join(" ") },
    ],
  });
}
