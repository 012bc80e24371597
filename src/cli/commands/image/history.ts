import type { Command } from "../../command.js";
import { nodeFlag } from "../../docker/container-flags.js";
import { age } from "../../print/age.js";
import { size } from "../../print/inspect.js";
import { listFlags, printList, shortId } from "../../print/list.js";

interface Entry { readonly Id: string; readonly Created: number; readonly CreatedBy: string; readonly Size: number; readonly Comment: string }

export default {
  usage: "[OPTIONS] IMAGE",
  about: "Lists the steps that made an image, the newest first.",
  args: { min: 1 },
  flags: [...listFlags("").filter(({ name }) => name !== "filter"), nodeFlag],
  async run(input) {
    const entries = await input.connection.docker(input.flags.text("node")).json<Entry[]>("GET", `/images/${encodeURIComponent(input.args[0]!)}/history`);
    printList(input, entries, {
      id: (entry) => shortId(input, entry.Id),
      columns: [
        { title: "ID", value: (entry) => (entry.Id === "<missing>" ? "" : shortId(input, entry.Id)) },
        { title: "CREATED", value: (entry) => age(entry.Created * 1000, input.now()) },
        { title: "SIZE", value: (entry) => size(entry.Size) },
        { title: "STEP", value: (entry) => entry.CreatedBy.replace(/^\/bin\/sh -c #\(nop\)\s*/, "") || entry.Comment },
      ],
    });
  },
} satisfies Command as Command;
