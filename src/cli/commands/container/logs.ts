import type { Command } from "../../command.js";
import { nodeFlag } from "../../docker/container-flags.js";
import { showFrames, showRaw } from "../../docker/streams.js";
import { parseCount } from "../../parse/number.js";
import { parsePointInTime } from "../../parse/point-in-time.js";

export default {
  usage: "[OPTIONS] CONTAINER",
  about: "Prints what a container of one host has printed; \"swarmctl service logs\" does it for a service, wherever it runs.",
  args: { min: 1 },
  flags: [
    { name: "follow", short: "f", kind: "switch", help: "Go on with new lines" },
    { name: "tail", short: "n", kind: "text", value: "N", help: "Only the last N lines (default all)" },
    { name: "since", kind: "text", value: "TIME", help: "Only lines since a date or since so long ago: 2026-11-21T08:00:00Z, 10m" },
    { name: "until", kind: "text", value: "TIME", help: "Only lines before it" },
    { name: "timestamps", short: "t", kind: "switch", help: "With the time of each line" },
    nodeFlag,
  ],
  async run({ flags, args, connection, terminal, signal, now }) {
    const client = connection.docker(flags.text("node"));
    const name = encodeURIComponent(args[0]!);
    const tail = flags.text("tail") ?? "all";
    const seconds = (flag: string) => (flags.has(flag) ? (parsePointInTime(flags.text(flag)!, `--${flag}`, now()) / 1000).toFixed(3) : undefined);
    const { Config } = await client.json<{ Config: { Tty: boolean } }>("GET", `/containers/${name}/json`);
    const response = await client.stream("GET", `/containers/${name}/logs`, {
      query: { stdout: 1, stderr: 1, follow: flags.on("follow"), timestamps: flags.on("timestamps"), tail: tail === "all" ? "all" : parseCount(tail, "--tail"), since: seconds("since"), until: seconds("until") }, signal,
    });
    try { await (Config.Tty ? showRaw : showFrames)(response, terminal); } catch (error) { if (!signal.aborted) throw error; }   // Ctrl-C is how following ends
  },
} satisfies Command as Command;
