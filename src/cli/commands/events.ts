import { SwarmError } from "../../lib/index.js";
import { taskStateWord } from "../../model/index.js";
import type { WatchEvent } from "../../gen/swarm/v1/WatchEvent.js";
import type { Command } from "../command.js";
import { choose, parseKeyValue } from "../parse/key-value.js";
import { whyOf } from "../print/words.js";
import { volumeAvailabilities, wordOf } from "../spec/volume-flags.js";
import { paint } from "../terminal.js";

const kinds = ["task", "service", "node", "network", "volume"] as const;

export default {
  usage: "[OPTIONS]",
  about: "Prints every change of the cluster from now on, until Ctrl-C.",
  args: { min: 0 },
  flags: [
    { name: "filter", short: "f", kind: "list", value: "KEY=VALUE", help: "kind=task|service|node|network|volume, service=…, id=…" },
    { name: "format", kind: "text", value: "FORMAT", help: "table (a line for people, the default) or jsonl (the whole event)" },
  ],
  examples: [["swarmctl events --filter kind=task --filter service=web", "One service's tasks"]],
  async run({ flags, connection, terminal, signal, now }) {
    const filters = flags.list("filter").map((text) => parseKeyValue(text, "--filter"));
    const format = choose(flags.text("format") ?? "table", "--format", { table: "table", jsonl: "jsonl", json: "jsonl" } as const);
    const wantedKinds = filters.filter(([key]) => key === "kind").map(([, value]) => choose(value, "--filter kind", Object.fromEntries(kinds.map((kind) => [kind, kind]))));
    try {
      const events = connection.controlStream<WatchEvent>("watch", { kinds: wantedKinds, filters: filters.filter(([key]) => key !== "kind").map(([key, value]) => ({ key, value })) }, { signal });
      for await (const event of events) {
        const line = lineFor(event);
        if (!line) continue;
        terminal.out(format === "jsonl" ? `${JSON.stringify(event)}\n` : `${paint(terminal, "dim", new Date(now()).toISOString())} ${line}\n`);
      }
    } catch (error) { if (!signal.aborted || !(error instanceof SwarmError)) throw error; }
  },
} satisfies Command as Command;

/** Undefined for the first event, which only says that the watch has begun. */
export function lineFor(event: WatchEvent): string | undefined {
  const change = event.change.toLowerCase();
  if (event.task?.task) {
    const { task } = event.task;
    const why = whyOf(task);
    return `task ${change} ${event.task.name} ${task.id} ${taskStateWord(task.status?.state ?? "NEW")} (wanted ${taskStateWord(task.desiredState)})${event.task.nodeName ? ` on ${event.task.nodeName}` : ""}${why ? `: ${why}` : ""}`;
  }
  if (event.service) return `service ${change} ${event.service.spec?.name ?? ""} ${event.service.id} revision ${event.service.revision}${event.service.isRemoving ? " (being removed)" : ""}`;
  if (event.node) return `node ${change} ${event.node.description?.hostname ?? ""} ${event.node.id} ${(event.node.status?.state ?? "UNKNOWN").toLowerCase()} ${(event.node.spec?.availability ?? "").toLowerCase()}${event.node.status?.message ? `: ${event.node.status.message}` : ""}`;
  if (event.network) return `network ${change} ${event.network.spec?.name ?? ""} ${event.network.id} ${event.network.subnet}`;
  if (event.volume) return `volume ${change} ${event.volume.spec?.name ?? ""} ${event.volume.id} ${wordOf(volumeAvailabilities, event.volume.spec?.availability)}${event.volume.nodeId ? ` on ${event.volume.nodeId}` : ""}`;
  return undefined;
}
