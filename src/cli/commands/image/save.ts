import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { SwarmError, messageOf } from "../../../lib/index.js";
import type { Command } from "../../command.js";
import { nodeFlag } from "../../docker/container-flags.js";

export default {
  usage: "[OPTIONS] IMAGE…",
  about: "Writes images as one tar archive, which \"image load\" and other tools read.",
  args: { min: 1, max: Infinity },
  flags: [{ name: "output", short: "o", kind: "text", value: "FILE", help: "The archive (default: standard output)" }, nodeFlag],
  async run({ flags, args, connection, terminal, signal }) {
    const path = flags.text("output");
    if (path === undefined && terminal.outIsTty) throw new SwarmError("INVALID_ARGUMENT", "Cannot write an archive to a terminal: name a file by --output, or pass it on.");
    const query = new URLSearchParams(args.map((name) => ["names", name] as [string, string]));
    const response = await connection.docker(flags.text("node")).stream("GET", `/images/get?${query.toString()}`, { signal });
    if (path === undefined) { for await (const part of response) await terminal.write("out", part as Uint8Array); return; }
    const part = `${path}.part`;
    try {
      await pipeline(response, createWriteStream(part));
      await rename(part, path);
    } catch (error) { throw error instanceof SwarmError ? error : new SwarmError("FAILED_PRECONDITION", `Cannot write "${path}": ${messageOf(error)}.`, { cause: error }); } finally { await rm(part, { force: true }); }
  },
} satisfies Command as Command;
