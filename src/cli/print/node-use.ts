import type { NodeUse } from "../../gen/swarm/v1/NodeUse.js";
import { paint, type Terminal } from "../terminal.js";
import { bar, percent } from "./bar.js";

/** So many nodes are drawn; the rest is summed up. */
const maxNodes = 40;

/**
 * What nodes have reserved before and after a change, a line a node, those that change most first:
 * "n3   12 → 0 tasks   cpu ████░░ 62 % → ░░░░░░ 0 %   memory …". `after` has the same nodes in the same order. `beside`: what other lines stand under it.
 */
export function nodeUseLines(terminal: Pick<Terminal, "colors" | "columns">, before: readonly NodeUse[], after: readonly NodeUse[], beside: { readonly before: readonly NodeUse[]; readonly after: readonly NodeUse[] } = { before, after }): string[] {
  const pairs = before.map((node, i) => ({ node, then: after[i] ?? node }));
  const changed = pairs.filter(({ node, then }) => changeOf(node, then) > 0).sort((a, b) => changeOf(b.node, b.then) - changeOf(a.node, a.then));
  const shown = changed.slice(0, maxNodes);
  const hasGpus = shown.some(({ node }) => node.hasGpus);
  const width = terminal.columns >= (hasGpus ? 150 : 110) ? 10 : 5;
  const names = Math.max(0, ...beside.before.map(({ nodeName }) => nodeName.length));
  const countOf = (node: NodeUse, then: NodeUse) => `${node.tasks} → ${then.tasks} ${then.tasks === 1 ? "task" : "tasks"}`;
  const countWidth = Math.max(0, ...beside.before.map((node, i) => countOf(node, beside.after[i] ?? node).length));
  const measure = (word: string, from: number, to: number) => `${paint(terminal, "dim", word)} ${bar(terminal, from / 1000, width)} ${percent(from / 1000).padStart(5)} → ${bar(terminal, to / 1000, width)} ${percent(to / 1000).padStart(5)}`;
  const lines = shown.map(({ node, then }) => [
    `  ${node.nodeName.padEnd(names)}`, countOf(node, then).padEnd(countWidth), measure("cpu", node.cpuPermille, then.cpuPermille), measure("memory", node.memoryPermille, then.memoryPermille),
    ...(node.hasGpus ? [measure("gpu", node.gpuPermille, then.gpuPermille)] : []),
  ].join("   "));
  if (changed.length > shown.length) lines.push(`  … and ${changed.length - shown.length} more nodes that change less`);
  return lines;
}

const changeOf = (node: NodeUse, then: NodeUse): number =>
  Math.abs(node.tasks - then.tasks) + Math.abs(node.cpuPermille - then.cpuPermille) + Math.abs(node.memoryPermille - then.memoryPermille) + Math.abs(node.gpuPermille - then.gpuPermille);
