import type { Command } from "../../command.js";
import { loadImages } from "../../upload.js";
import { uploadView } from "../../upload-view.js";
import { imageName } from "./ls.js";

export default {
  usage: "[OPTIONS] FILE|- NAME[:TAG]",
  about: "Makes an image of one layer of a root filesystem's tar archive, on one host.",
  args: { min: 2 },
  flags: [
    { name: "change", short: "c", kind: "list", value: "INSTRUCTION", help: "A Dockerfile's CMD, ENTRYPOINT, ENV, WORKDIR, USER, EXPOSE or LABEL" },
    { name: "quiet", short: "q", kind: "switch", help: "Print only the id" },
  ],
  examples: [["swarmctl image import -c 'CMD [\"sh\"]' rootfs.tar tools:1", "With a default command"]],
  async run({ flags, args, connection, terminal, signal }) {
    const view = uploadView(terminal, flags.on("quiet"));
    const images = await loadImages(await connection.engine(), {
      method: "importImage", path: args[0]!, reference: args[1]!, changes: flags.list("change"), signal, onProgress: view.show,
    }).finally(view.end);
    for (const image of images) terminal.out(flags.on("quiet") ? `${image.id}\n` : `${imageName(image)} is here\n`);
  },
} satisfies Command as Command;
