import type { Command } from "../../command.js";
import { nodeFlag } from "../../docker/container-flags.js";
import { splitReference } from "../../docker/pull.js";
import { openArchive, sendArchive } from "../../upload.js";

export default {
  usage: "[OPTIONS] FILE|- NAME[:TAG]",
  about: "Makes an image of one layer of a root filesystem's tar archive, on one host.",
  args: { min: 2 },
  flags: [
    { name: "change", short: "c", kind: "list", value: "INSTRUCTION", help: "A Dockerfile's CMD, ENTRYPOINT, ENV, WORKDIR, USER, EXPOSE or LABEL" },
    { name: "message", short: "m", kind: "text", value: "TEXT", help: "Kept in its history" },
    { name: "quiet", short: "q", kind: "switch", help: "Print only the id" },
    nodeFlag,
  ],
  examples: [["swarmctl image import -c 'CMD [\"sh\"]' rootfs.tar tools:1", "With a default command"]],
  async run({ flags, args, connection, terminal, signal }) {
    const { fromImage, tag } = splitReference(args[1]!);
    const query = new URLSearchParams({ fromSrc: "-", repo: fromImage, tag });
    for (const change of flags.list("change")) query.append("changes", change);
    if (flags.has("message")) query.set("message", flags.text("message")!);
    const isQuiet = flags.on("quiet");
    const said = await sendArchive(connection.docker(flags.text("node")), `/images/create?${query.toString()}`, await openArchive(args[0]!, terminal.input), { terminal, isQuiet, signal });
    terminal.out(isQuiet ? `${said.at(-1) ?? ""}\n` : `${args[1]} is here\n`);
  },
} satisfies Command as Command;
