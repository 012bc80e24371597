import type { Command } from "../../command.js";
import { filtersParameter } from "../../docker/client.js";
import { nodeFlag } from "../../docker/container-flags.js";
import { age } from "../../print/age.js";
import { size } from "../../print/inspect.js";
import { filtersOf, listFlags, printList, shortId } from "../../print/list.js";

export interface ImageRow { readonly Id: string; readonly RepoTags: readonly string[] | null; readonly Created: number; readonly Size: number }

export default {
  usage: "[OPTIONS] [NAME[:TAG]]",
  about: "Lists the images on one host.",
  args: { min: 0, max: 1 },
  flags: [{ name: "all", short: "a", kind: "switch", help: "Also those that only others are built on" }, ...listFlags("reference, label, dangling, before, since, until"), nodeFlag],
  async run(input) {
    const filters = [...filtersOf(input), ...(input.args[0] === undefined ? [] : [{ key: "reference", value: input.args[0] }])];
    const images = await input.connection.docker(input.flags.text("node")).json<ImageRow[]>("GET", "/images/json", { query: { all: input.flags.on("all"), filters: filtersParameter(filters) } });
    // An image with several names has several lines.
    const isTable = (input.flags.text("format") ?? "table") === "table" && !input.flags.on("quiet");
    const rows = images.flatMap((image) => (isTable && image.RepoTags?.length ? image.RepoTags : [""]).map((name) => ({ image, name })));
    printList(input, rows, {
      id: ({ image }) => shortId(input, image.Id),
      json: ({ image }) => image,
      columns: [
        { title: "IMAGE", value: ({ name }) => name || "<none>" },
        { title: "ID", value: ({ image }) => shortId(input, image.Id) },
        { title: "CREATED", value: ({ image }) => age(image.Created * 1000, input.now()) },
        { title: "SIZE", value: ({ image }) => size(image.Size) },
      ],
    });
  },
} satisfies Command as Command;
