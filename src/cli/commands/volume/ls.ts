import type { Command } from "../../command.js";
import { filtersParameter } from "../../docker/client.js";
import { nodeFlag } from "../../docker/container-flags.js";
import { filtersOf, listFlags, printList } from "../../print/list.js";

interface Volume { readonly Name: string; readonly Driver: string; readonly Mountpoint: string; readonly Labels: Readonly<Record<string, string>> | null }

export default {
  usage: "[OPTIONS]",
  about: "Lists the volumes of one host.",
  args: { min: 0 },
  flags: [...listFlags("name, label, driver, dangling"), nodeFlag],
  async run(input) {
    const { Volumes } = await input.connection.docker(input.flags.text("node")).json<{ Volumes: Volume[] | null }>("GET", "/volumes", { query: { filters: filtersParameter(filtersOf(input)) } });
    printList(input, Volumes ?? [], {
      id: (volume) => volume.Name,
      columns: [{ title: "NAME", value: (volume) => volume.Name }, { title: "DRIVER", value: (volume) => volume.Driver }, { title: "DIRECTORY", value: (volume) => volume.Mountpoint }],
    });
  },
} satisfies Command as Command;
