import type { Command } from "../../command.js";
import { loadImages } from "../../upload.js";
import { uploadView } from "../../upload-view.js";
import { imageName } from "./ls.js";

export default {
  usage: "[OPTIONS] [-i FILE]",
  about: "Loads the images of a tar archive, as \"docker save\" or OCI tools make it, into one host.",
  args: { min: 0 },
  flags: [
    { name: "input", short: "i", kind: "text", value: "FILE", help: "The archive (default: standard input)" },
    { name: "quiet", short: "q", kind: "switch", help: "Print only the ids" },
  ],
  examples: [["swarmctl --host m1 image load -i busybox.tar", "Into the host m1 of the current context"]],
  async run({ flags, connection, terminal, signal }) {
    const view = uploadView(terminal, flags.on("quiet"));
    const images = await loadImages(await connection.engine(), { method: "loadImage", path: flags.text("input") ?? "-", signal, onProgress: view.show }).finally(view.end);
    for (const image of images) terminal.out(flags.on("quiet") ? `${image.id}\n` : `${imageName(image)} is loaded\n`);
  },
} satisfies Command as Command;
