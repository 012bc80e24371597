import type { ServiceHint } from "../../../gen/swarm/v1/ServiceHint.js";
import type { ServiceHintsResponse } from "../../../gen/swarm/v1/ServiceHintsResponse.js";
import type { Command } from "../../command.js";
import { choose } from "../../parse/key-value.js";
import { counted } from "../../print/explanation.js";
import { size } from "../../print/inspect.js";
import { table } from "../../print/table.js";
import { paint } from "../../terminal.js";

export default {
  usage: "[OPTIONS] [SERVICE]",
  about: "Compares what services set aside with what their tasks really use, and says what would do. The service by which most would be freed comes first.",
  args: { min: 0, max: 1 },
  flags: [{ name: "format", kind: "text", value: "FORMAT", help: "text (for people) or json (the whole answer)" }],
  examples: [["swarmctl service hints", "Every service"], ["swarmctl service hints --format json web", "One, for a program"]],
  notes: "Used: of the task that uses most, the CPU that it stayed below in 95 of 100 samples and its peak of memory without page cache, in the last hour at most. Suggested: a fifth more, never above the limit. Agents report every half minute; the leader keeps it in memory, and a hint needs ten minutes.",
  async run({ flags, args, terminal, connection }) {
    const isJson = choose(flags.text("format") ?? "text", "--format", { text: false, json: true } as const);
    const answer = await connection.control<ServiceHintsResponse>("serviceHints", { service: args[0] ?? "" });
    if (isJson) return terminal.out(`${JSON.stringify(answer, undefined, 2)}\n`);
    if (answer.reportingNodes < answer.nodes) terminal.err(`swarmctl: warning: ${answer.reportingNodes} of ${counted(answer.nodes, "node")} ${answer.reportingNodes === 1 ? "has" : "have"} reported what they use; the others follow within half a minute\n`);
    terminal.out(table(answer.hints, [
      { title: "SERVICE", value: (hint) => hint.serviceName },
      { title: "TASKS", value: (hint) => (hint.reportingTasks < hint.tasks ? `${hint.reportingTasks} of ${hint.tasks}` : String(hint.tasks)) },
      { title: "CPU RESERVED", value: (hint) => cores(hint.reservedCpuMillis) },
      { title: "USED", value: (hint) => (hint.reportingTasks > 0 ? String(hint.usedCpuMillis / 1_000) : "") },
      { title: "MEMORY RESERVED", value: (hint) => bytes(hint.reservedMemoryBytes) },
      { title: "USED", value: (hint) => (hint.reportingTasks > 0 ? bytes(hint.usedMemoryBytes) : "") },
      { title: "HINT", value: (hint) => hint.advice, color: (hint) => (isActionable(hint) ? "yellow" : "dim") },
    ], terminal));
    const commands = answer.hints.filter(isActionable);
    if (commands.length > 0) terminal.out(`\n${commands.map(({ command }) => `${paint(terminal, "cyan", command)}\n`).join("")}`);
  },
} satisfies Command as Command;

const isActionable = ({ command }: ServiceHint): boolean => command !== "";
const cores = (millis: number): string => (millis === 0 ? "-" : String(millis / 1_000));
const bytes = (amount: number): string => (amount === 0 ? "-" : size(amount));
