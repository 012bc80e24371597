import type { Command } from "../../command.js";
import type { LogRecord } from "../../../gen/swarm/v1/LogRecord.js";
import { SwarmError } from "../../../lib/index.js";
import { parseCount } from "../../parse/number.js";
import { parsePointInTime } from "../../parse/point-in-time.js";
import { paint, type Color } from "../../terminal.js";

const taskColors: readonly Color[] = ["cyan", "green", "yellow", "magenta", "blue"];

export default {
  usage: "[OPTIONS] SERVICE|TASK",
  about: "Prints what the containers of a service, or of one task, have printed, wherever they run; what they wrote to standard error goes to standard error.",
  args: { min: 1 },
  flags: [
    { name: "follow", short: "f", kind: "switch", help: "Go on with new lines" },
    { name: "tail", short: "n", kind: "text", value: "N", help: "Only the last N lines of each task (default all)" },
    { name: "since", kind: "text", value: "TIME", help: "Only lines since a date or since so long ago: 2026-11-21T08:00:00Z, 10m" },
    { name: "until", kind: "text", value: "TIME", help: "Only lines before it" },
    { name: "timestamps", short: "t", kind: "switch", help: "With the time of each line" },
    { name: "raw", kind: "switch", help: "The lines alone, without task and node" },
  ],
  examples: [["swarmctl service logs -f --tail 10 web", "The last ten lines of each task, and what follows"]],
  async run({ flags, args, connection, terminal, signal, now }) {
    const tail = flags.text("tail");
    const records = connection.controlStream<LogRecord>("logs", {
      ref: args[0],
      follow: flags.on("follow"),
      tail: tail === undefined || tail === "all" ? -1 : parseCount(tail, "--tail", { max: 2_147_483_647 }),
      sinceMs: flags.has("since") ? parsePointInTime(flags.text("since")!, "--since", now()) : 0,
      untilMs: flags.has("until") ? parsePointInTime(flags.text("until")!, "--until", now()) : 0,
    }, { signal });
    const colors = new Map<string, Color>();
    let width = 0;
    try {
      for await (const record of records) {
        const text = Buffer.from(record.line).toString("utf8");
        if (record.stream === "SYSTEM") { terminal.err(`${paint(terminal, "yellow", "swarmctl:")} ${text}\n`); continue; }
        if (!colors.has(record.taskId)) colors.set(record.taskId, taskColors[colors.size % taskColors.length]!);
        const origin = `${record.taskName}@${record.nodeName}`;
        width = Math.max(width, origin.length);
        const prefix = flags.on("raw") ? "" : `${paint(terminal, colors.get(record.taskId), origin.padEnd(width))} | `;
        const line = `${prefix}${flags.on("timestamps") ? `${record.timestamp} ` : ""}${text}\n`;
        if (record.stream === "STDERR") terminal.err(line); else terminal.out(line);
      }
    } catch (error) {
      // Ctrl-C is how following ends.
      if (!signal.aborted || !(error instanceof SwarmError)) throw error;
    }
  },
} satisfies Command as Command;
