import { call } from "../../../rpc/index.js";
import type { ImageInfo } from "../../../gen/swarm/v1/ImageInfo.js";
import type { ListImagesResponse } from "../../../gen/swarm/v1/ListImagesResponse.js";
import type { Command } from "../../command.js";
import { age } from "../../print/age.js";
import { size } from "../../print/inspect.js";
import { filterRows, listFlags, printList, shortId } from "../../print/list.js";

export default {
  usage: "[OPTIONS] [REFERENCE]",
  about: "Lists the images on one host: this one, or the one that --host names.",
  args: { min: 0, max: 1 },
  flags: listFlags("reference, id"),
  async run(input) {
    const { images } = await call<ListImagesResponse>(await input.connection.engine(), "listImages", { reference: input.args[0] ?? "" });
    const chosen = filterRows(input, images, {
      reference: (image, value) => image.references.some((reference) => reference.includes(value)),
      id: (image, value) => image.id.replace(/^sha256:/, "").startsWith(value.replace(/^sha256:/, "")),
    });
    // An image with several names has several lines.
    const format = input.flags.text("format") ?? "table";
    const rows = format === "table" && !input.flags.on("quiet")
      ? chosen.flatMap((image) => (image.references.length ? image.references : ["<none>"]).map((reference) => ({ image, reference })))
      : chosen.map((image) => ({ image, reference: "" }));
    printList(input, rows, {
      id: ({ image }) => shortId(input, image.id),
      json: ({ image }) => image,
      columns: [
        { title: "IMAGE", value: ({ reference }) => familiar(reference) },
        { title: "ID", value: ({ image }) => shortId(input, image.id) },
        { title: "CREATED", value: ({ image }) => age(image.createdAtMs, input.now()) },
        { title: "SIZE", value: ({ image }) => size(image.sizeBytes) },
      ],
    });
  },
} satisfies Command as Command;

/** "docker.io/library/busybox:latest" → "busybox:latest" */
export const familiar = (reference: string): string => reference.replace(/^docker\.io\/(library\/)?/, "");
export const imageName = (image: ImageInfo): string => (image.references[0] ? familiar(image.references[0]) : image.id);
