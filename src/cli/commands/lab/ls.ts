import { labList } from "../../../lab/index.js";
import type { Command } from "../../command.js";
import { filterRows, listFlags, printList } from "../../print/list.js";

export default {
  usage: "[OPTIONS] [LAB]",
  about: "Lists the labs on this machine and their hosts.",
  args: { min: 0, max: 1 },
  flags: listFlags("lab, host, role, state"),
  async run(input) {
    const rows = filterRows(input, labList(input.args[0]), {
      lab: (row, value) => row.lab === value, host: (row, value) => row.host === value, role: (row, value) => row.role === value, state: (row, value) => row.state === value,
    });
    printList(input, rows, {
      id: (row) => `${row.lab}/${row.host}`,
      columns: [
        { title: "LAB", value: (row) => row.lab },
        { title: "HOST", value: (row) => row.host },
        { title: "ROLE", value: (row) => row.role },
        { title: "ADDRESS", value: (row) => row.address },
        { title: "STATE", value: (row) => row.state, color: (row) => (row.state === "running" ? "green" : "yellow") },
        { title: "PID", value: (row) => (row.pid ? String(row.pid) : "") },
        { title: "RUN DIRECTORY", value: (row) => row.runDir },
      ],
    });
  },
} satisfies Command as Command;
