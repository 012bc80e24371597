import type { Command } from "../../command.js";
import { filtersParameter } from "../../docker/client.js";
import { nodeFlag } from "../../docker/container-flags.js";
import { age } from "../../print/age.js";
import { filtersOf, listFlags, printList, shortId } from "../../print/list.js";

interface Row {
  readonly Id: string; readonly Names: readonly string[]; readonly Image: string; readonly Command: string; readonly Created: number; readonly State: string; readonly Status: string;
  readonly Ports: readonly { readonly IP?: string; readonly PrivatePort: number; readonly PublicPort?: number; readonly Type: string }[];
}

export default {
  usage: "[OPTIONS]",
  about: "Lists the containers of one host, those of services too.",
  args: { min: 0 },
  flags: [
    { name: "all", short: "a", kind: "switch", help: "Also those that do not run" },
    { name: "last", short: "n", kind: "text", value: "N", help: "The N newest, running or not" },
    ...listFlags("id, name, label, status, ancestor, volume, network, health, exited, before, since, publish, expose"), nodeFlag,
  ],
  async run(input) {
    const { flags } = input;
    const rows = await input.connection.docker(flags.text("node")).json<Row[]>("GET", "/containers/json", { query: { all: flags.on("all"), limit: flags.text("last"), filters: filtersParameter(filtersOf(input)) } });
    printList(input, rows, {
      id: (row) => shortId(input, row.Id),
      columns: [
        { title: "ID", value: (row) => shortId(input, row.Id) },
        { title: "NAME", value: (row) => row.Names.map((name) => name.replace(/^\//, "")).join(", ") },
        { title: "IMAGE", value: (row) => row.Image },
        { title: "COMMAND", value: (row) => row.Command },
        { title: "CREATED", value: (row) => age(row.Created * 1000, input.now()) },
        { title: "STATUS", value: (row) => row.Status, color: (row) => (row.State === "running" ? "green" : row.State === "exited" ? undefined : "yellow") },
        { title: "PORTS", value: (row) => portsOf(row) },
      ],
    });
  },
} satisfies Command as Command;

const portsOf = ({ Ports }: Row): string => Ports.map(({ IP = "", PublicPort, PrivatePort, Type }) =>
  (PublicPort ? `${IP.includes(":") ? `[${IP}]` : IP}:${PublicPort}→${PrivatePort}/${Type}` : `${PrivatePort}/${Type}`)).join(", ");
