import { SwarmError } from "../../lib/index.js";
import type { NodeUse } from "../../gen/swarm/v1/NodeUse.js";
import type { WhatIfResponse } from "../../gen/swarm/v1/WhatIfResponse.js";
import type { Command, CommandInput } from "../command.js";
import { exitCode } from "../exit-codes.js";
import { choose, parseKeyValue } from "../parse/key-value.js";
import { parseNewNodes } from "../parse/new-nodes.js";
import { parseCount } from "../parse/number.js";
import { counted } from "../print/explanation.js";
import { nodeUseLines } from "../print/node-use.js";
import { table } from "../print/table.js";
import { paint } from "../terminal.js";

const defaultLimit = 20;
const headroomLimit = 1_000;

export default {
  usage: "[OPTIONS]",
  about: "Says what would happen to the cluster as it runs now if nodes went or came or services grew: which tasks would wait and why, what would move where, which tasks of lower priority would be stopped to make room, how full the nodes would be, and how many more tasks of each service would fit. Nothing is changed.",
  args: { min: 0 },
  flags: [
    { name: "lose", kind: "list", value: "NODE[,NODE…]", help: "Nodes that fail" },
    { name: "drain", kind: "list", value: "NODE[,NODE…]", help: "Nodes that are drained" },
    { name: "add", kind: "list", value: "[NUMBERx](AMOUNT=VALUE,…)", help: "Nodes that join: cpu, memory, disk, pids, gpu=COUNT[:MODEL], generic.KIND and label.NAME, such as 3x(cpu=8,memory=32g,label.disk=ssd)" },
    { name: "scale", kind: "list", value: "SERVICE=N", help: "Services that get another number of replicas" },
    { name: "headroom", kind: "list", value: "SERVICE[,SERVICE…]", help: "Count only for these how many more tasks would fit (default: the first 50)" },
    { name: "limit", kind: "text", value: "N", help: `Rows of each list (default ${defaultLimit})` },
    { name: "format", kind: "text", value: "FORMAT", help: "text (for people) or json (the whole answer)" },
  ],
  examples: [
    ["swarmctl whatif --lose node-2,node-3", "Would everything still run without these two?"],
    ["swarmctl whatif --scale web=40 --add '3x(cpu=8,memory=32g,gpu=2:A100,label.disk=ssd)'", "Would three more nodes carry forty replicas?"],
    ["swarmctl whatif --drain node-1 --format json", "The same for a program"],
  ],
  notes: "Exit code 3: tasks that have a node now, or are asked for by --scale, would wait. Where preemption is on, tasks of lower priority are stopped for those that fit nowhere, as the scheduler would do; room for more is counted without stopping anybody.",
  async run(input) {
    const { flags, connection, terminal } = input;
    const isJson = choose(flags.text("format") ?? "text", "--format", { text: false, json: true } as const);
    const limit = flags.text("limit") === undefined ? defaultLimit : parseCount(flags.text("limit")!, "--limit", { min: 1 });
    const words = (name: string) => flags.list(name).flatMap((text) => text.split(",")).map((word) => word.trim()).filter((word) => word !== "");
    const request = {
      lose: words("lose"), drain: words("drain"), headroom: words("headroom"),
      add: flags.list("add").map((text) => parseNewNodes(text, "--add")),
      scale: flags.list("scale").map((text) => { const [service, replicas] = parseKeyValue(text, "--scale", "SERVICE=N, such as web=40"); return { service, replicas: parseCount(replicas, `--scale ${service}=`) }; }),
    };
    if (Object.values(request).every((list) => list.length === 0)) throw new SwarmError("INVALID_ARGUMENT", "Nothing is said to change: name nodes with --lose, --drain or --add, or services with --scale or --headroom.");
    const answer = await connection.control<WhatIfResponse>("whatIf", request, { timeoutMs: 180_000 });
    terminal.out(isJson ? `${JSON.stringify(answer, undefined, 2)}\n` : text(input, answer, limit));
    return newlyWaiting(answer) > 0 ? exitCode.notConverged : exitCode.done;
  },
} satisfies Command as Command;

const sum = <T>(items: readonly T[], of: (item: T) => number): number => items.reduce((total, item) => total + of(item), 0);
const newlyWaiting = ({ pending }: WhatIfResponse): number => sum(pending, ({ count, waited }) => count - waited);

function text({ terminal }: CommandInput, answer: WhatIfResponse, limit: number): string {
  const waiting = newlyWaiting(answer), waited = sum(answer.pending, (each) => each.waited);
  const started = sum(answer.started, ({ count }) => count), ended = sum(answer.ended, ({ count }) => count);
  const clauses = [
    waiting > 0 ? `${counted(waiting, "task")} would wait for a node` : "no task would lose its node for good",
    answer.moveCount > 0 ? `${counted(answer.moveCount, "task")} would move` : "", started > 0 ? `${counted(started, "task")} would start` : "",
    answer.preemptedCount > 0 ? `${counted(answer.preemptedCount, "task")} would be stopped for others of higher priority` : "",
    ended > 0 ? `${counted(ended, "task")} would end` : "", waited > 0 ? `${counted(waited, "task")} that ${waited === 1 ? "waits" : "wait"} already would go on waiting` : "",
  ].filter((clause) => clause !== "");
  const parts = [`${paint(terminal, waiting > 0 ? "red" : "green", waiting > 0 ? "✘" : "✔")} ${paint(terminal, "bold", `${clauses.join("; ")}.`)}\n`];
  if (answer.pending.length > 0) {
    parts.push(cut(terminal, limit, answer.pending, (rows) => table(rows, [
      { title: "WAITING", value: ({ serviceName }) => serviceName, color: () => "bold" },
      { title: "TASKS", value: ({ count, waited: before }) => `${count}${before === count ? " (now too)" : before > 0 ? ` (${before} now)` : ""}` },
      { title: "WHY", value: ({ reason }) => reason },
    ], terminal)));
  }
  if (answer.moves.length > 0) {
    parts.push(cut(terminal, limit, answer.moves, (rows) => table(rows, [
      { title: "MOVING", value: ({ taskName }) => taskName }, { title: "FROM", value: ({ fromNode }) => fromNode }, { title: "TO", value: ({ toNode }) => toNode },
    ], terminal), answer.moveCount));
  }
  if (answer.preempted.length > 0) {
    parts.push(cut(terminal, limit, answer.preempted, (rows) => table(rows, [
      { title: "PREEMPTED", value: ({ taskName }) => taskName }, { title: "ON", value: ({ node }) => node }, { title: "BY", value: ({ byServiceName }) => byServiceName },
      { title: "THEN", value: ({ toNode }) => (toNode === "" ? "waits" : `on ${toNode}`), color: ({ toNode }) => (toNode === "" ? "red" : undefined) },
    ], terminal), answer.preemptedCount));
  }
  const comings = [...answer.started.map(({ serviceName, count, waited: before }) => ({ serviceName, what: `${count} start${before > 0 ? ` (${before} of them ${before === 1 ? "waits" : "wait"} now)` : ""}` })), ...answer.ended.map(({ serviceName, count }) => ({ serviceName, what: `${count} end` }))];
  if (comings.length > 0) parts.push(cut(terminal, limit, comings, (rows) => table(rows, [{ title: "SERVICE", value: ({ serviceName }) => serviceName }, { title: "TASKS", value: ({ what }) => what }], terminal)));
  if (answer.before.length > 0) parts.push(nodesText(terminal, answer, limit));
  const changed = answer.headroom.filter(({ before, after }) => before !== after || answer.headroom.length <= limit);
  if (changed.length > 0) {
    parts.push(cut(terminal, limit, changed, (rows) => table(rows, [
      { title: "ROOM FOR MORE OF", value: ({ serviceName }) => serviceName },
      { title: "NOW", value: ({ before }) => roomText(before) },
      { title: "THEN", value: ({ after }) => roomText(after), color: ({ before, after }) => (after < before ? "red" : after > before ? "green" : undefined) },
    ], terminal)));
  }
  return parts.join("\n");
}

const roomText = (count: number): string => (count >= headroomLimit ? `${headroomLimit.toLocaleString("en")} or more` : String(count));

function nodesText(terminal: CommandInput["terminal"], answer: WhatIfResponse, limit: number): string {
  const lost = new Set(answer.lostNodeIds);
  const named = (node: NodeUse): NodeUse => (lost.has(node.nodeId) ? { ...node, nodeName: `${node.nodeName} (lost)` } : node);
  const all = (use: NodeUse | null): NodeUse[] => (use ? [{ ...use, nodeName: "all nodes" }] : []);
  const before = answer.before.slice(0, limit).map(named), after = answer.after.slice(0, limit).map(named);
  const totals = { before: all(answer.totalBefore), after: all(answer.totalAfter) };
  const beside = { before: [...totals.before, ...before], after: [...totals.after, ...after] };
  const total = nodeUseLines(terminal, totals.before, totals.after, beside);
  const nodes = nodeUseLines(terminal, before, after, beside);
  const others = answer.changedNodes - Math.min(limit, answer.before.length);
  return [...total, ...nodes, ...(others > 0 ? [`  … and ${counted(others, "other")} that change less`] : [])].map((line) => `${line}\n`).join("");
}

function cut<Row>(terminal: CommandInput["terminal"], limit: number, rows: readonly Row[], print: (rows: readonly Row[]) => string, count = rows.length): string {
  const shown = Math.min(limit, rows.length);
  return print(rows.slice(0, limit)) + (count > shown ? paint(terminal, "dim", `… and ${counted(count - shown, "other")}`) + "\n" : "");
}
