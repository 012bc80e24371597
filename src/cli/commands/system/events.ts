import type { Command } from "../../command.js";
import { filtersParameter, jsonLines } from "../../docker/client.js";
import { nodeFlag } from "../../docker/container-flags.js";
import { parseKeyValue } from "../../parse/key-value.js";
import { parsePointInTime } from "../../parse/point-in-time.js";
import { choose } from "../../parse/key-value.js";

interface Event { readonly Type: string; readonly Action: string; readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> }; readonly time: number; readonly timeNano: number }

export default {
  usage: "[OPTIONS]",
  about: "Watches what happens to containers, images, volumes and networks of one host; \"swarmctl events\" watches the cluster.",
  args: { min: 0 },
  flags: [
    { name: "since", kind: "text", value: "TIME", help: "Also what was since a date or since so long ago" },
    { name: "until", kind: "text", value: "TIME", help: "End there" },
    { name: "filter", short: "f", kind: "list", value: "KEY=VALUE", help: "Only what matches: type, event, container, image, volume, network, label" },
    { name: "format", kind: "text", value: "FORMAT", help: "text, the default, or jsonl (one object a line)" },
    nodeFlag,
  ],
  async run({ flags, connection, terminal, signal, now }) {
    const format = choose(flags.text("format") ?? "text", "--format", { text: "text", jsonl: "jsonl" } as const);
    const seconds = (flag: string) => (flags.has(flag) ? (parsePointInTime(flags.text(flag)!, `--${flag}`, now()) / 1000).toFixed(3) : undefined);
    const filters = flags.list("filter").map((text) => { const [key, value] = parseKeyValue(text, "--filter"); return { key, value }; });
    try {
      for await (const event of jsonLines<Event>(await connection.docker(flags.text("node")).stream("GET", "/events", { query: { since: seconds("since"), until: seconds("until"), filters: filtersParameter(filters) }, signal }))) {
        const { name, ...more } = event.Actor.Attributes;
        const details = Object.entries(more).map(([key, value]) => `${key}=${value}`).join(" ");
        terminal.out(format === "jsonl" ? `${JSON.stringify(event)}\n` : `${new Date(event.timeNano / 1e6).toISOString()}   ${event.Type} ${event.Action}   ${name ?? event.Actor.ID.slice(0, 24)}${details ? `   ${details}` : ""}\n`);
      }
    } catch (error) { if (!signal.aborted) throw error; }   // Ctrl-C is how watching ends
  },
} satisfies Command as Command;
