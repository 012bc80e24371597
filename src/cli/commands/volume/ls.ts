import type { ListVolumesResponse } from "../../../gen/swarm/v1/ListVolumesResponse.js";
import type { Command, CommandInput } from "../../command.js";
import { filtersParameter } from "../../docker/client.js";
import { nodeFlag } from "../../docker/container-flags.js";
import { filtersOf, listFlags, printList, shortId } from "../../print/list.js";
import { clusterFlag, isOfCluster, scopes, sharings, volumeAvailabilities, wordOf } from "../../spec/volume-flags.js";

interface HostVolume { readonly Name: string; readonly Driver: string; readonly Mountpoint: string; readonly Labels: Readonly<Record<string, string>> | null }

export default {
  usage: "[OPTIONS]",
  about: "Lists the volumes of one host, or with --cluster those of the cluster, where their data are and who has them.",
  args: { min: 0 },
  flags: [...listFlags("name, label, driver, dangling; with --cluster name, id, label, driver, group, node, scope, availability"), clusterFlag, nodeFlag],
  async run(input) {
    if (isOfCluster(input.flags)) return listOfCluster(input);
    const { Volumes } = await input.connection.docker(input.flags.text("node")).json<{ Volumes: HostVolume[] | null }>("GET", "/volumes", { query: { filters: filtersParameter(filtersOf(input)) } });
    printList(input, Volumes ?? [], {
      id: (volume) => volume.Name,
      columns: [{ title: "NAME", value: (volume) => volume.Name }, { title: "DRIVER", value: (volume) => volume.Driver }, { title: "DIRECTORY", value: (volume) => volume.Mountpoint }],
    });
  },
} satisfies Command as Command;

async function listOfCluster(input: CommandInput): Promise<void> {
  const { volumes, uses } = await input.connection.control<ListVolumesResponse>("listVolumes", { filters: filtersOf(input) });
  printList(input, volumes.map((volume, i) => ({ volume, use: uses[i] })), {
    id: ({ volume }) => volume.id,
    json: ({ volume, use }) => ({ ...volume, use }),
    columns: [
      { title: "ID", value: ({ volume }) => shortId(input, volume.id) },
      { title: "NAME", value: ({ volume }) => volume.spec?.name ?? "" },
      { title: "SCOPE", value: ({ volume }) => wordOf(scopes, volume.spec?.scope) },
      { title: "SHARING", value: ({ volume }) => wordOf(sharings, volume.spec?.sharing) },
      { title: "GROUP", value: ({ volume }) => volume.spec?.group ?? "" },
      { title: "NODE", value: ({ use }) => use?.nodeName ?? "" },
      { title: "AVAILABILITY", value: ({ volume }) => wordOf(volumeAvailabilities, volume.spec?.availability) },
      { title: "TASKS", value: ({ use }) => [use?.writers ? `${use.writers} write` : "", use?.readers ? `${use.readers} read` : ""].filter(Boolean).join(", ") || "-" },
    ],
  });
}
