import type { ExplainResponse } from "../../gen/swarm/v1/ExplainResponse.js";
import type { ScoredNode } from "../../gen/swarm/v1/ScoredNode.js";
import { paint, type Terminal } from "../terminal.js";
import { bar } from "./bar.js";
import { table } from "./table.js";

/** Below this many columns node names stand in lines of their own. */
const narrowColumns = 100;

/** An answer of Explain for people: the sentence, what keeps nodes out, what would help, and the scores of those that fit. */
export function explanationText(terminal: Pick<Terminal, "colors" | "columns">, answer: ExplainResponse): string {
  const parts = [`${paint(terminal, answer.fits ? "green" : "yellow", answer.fits ? "✔" : "✘")} ${paint(terminal, "bold", answer.headline)}\n`];
  if (answer.causes.length > 0) parts.push(causesText(terminal, answer));
  if (answer.suggestions.length > 0) parts.push(suggestionsText(terminal, answer));
  if (answer.candidates.length > 0) parts.push(scoresText(terminal, answer));
  if (answer.nodeRefusals.length > 0) parts.push(table(answer.nodeRefusals, [
    { title: "NODE", value: (node) => node.nodeName },
    { title: "WHY NOT", value: (node) => node.details.join("; ") || "it fits", color: (node) => (node.details.length === 0 ? "green" : undefined) },
  ], terminal));
  return parts.join("\n");
}

function causesText(terminal: Pick<Terminal, "colors" | "columns">, { causes, nodes, fitting }: ExplainResponse): string {
  const isNarrow = terminal.columns < narrowColumns;
  const onNodes = ({ nodeNames, nodes: count }: ExplainResponse["causes"][0]) => {
    const others = count - nodeNames.length;
    return nodeNames.length === 0 ? "" : others > 0 ? `${nodeNames.join(", ")} and ${counted(others, "other")}` : nodeNames.join(", ");
  };
  const hasMissing = causes.some(({ missing }) => missing !== "");
  const rows = table(causes, [
    { title: "NODES", value: (cause) => (terminal.colors || !isNarrow ? `${plainBar(cause.nodes / Math.max(1, nodes))} ${cause.nodes}` : String(cause.nodes)) },
    { title: "ALONE", value: (cause) => (cause.alone > 0 ? String(cause.alone) : ""), color: () => "yellow" },
    { title: "WHAT KEEPS THEM OUT", value: (cause) => cause.detail },
    ...(hasMissing ? [{ title: "MISSING", value: (cause: ExplainResponse["causes"][0]) => cause.missing, color: () => "red" as const }] : []),
    ...(isNarrow ? [] : [{ title: "ON", value: onNodes, color: () => "dim" as const }]),
  ], terminal);
  const summary = `${counted(nodes, "node")} looked at, ${fitting === 0 ? "none would take" : `${fitting} would take`} one more.\n`;
  if (!isNarrow) return summary + rows;
  const lines = rows.trimEnd().split("\n");
  return summary + lines.map((line, i) => (i === 0 || onNodes(causes[i - 1]!) === "" ? `${line}\n` : `${line}\n  ${paint(terminal, "dim", onNodes(causes[i - 1]!))}\n`)).join("");
}

/** The table measures its cells: no colour in them. */
const plainBar = (share: number): string => bar({ colors: false }, share, 5);

function suggestionsText(terminal: Pick<Terminal, "colors">, { suggestions }: ExplainResponse): string {
  const lines = suggestions.map(({ condition, nodes, nodeNames, command, tasks }, i) => {
    const what = tasks > 0 ? `all ${counted(tasks, "task")} fit` : `fits on ${nodeNames.length === nodes && nodes <= 3 ? nodeNames.join(", ") : counted(nodes, "node")}`;
    return `  ${paint(terminal, "dim", `${i + 1}.`)} ${what} if ${paint(terminal, "bold", condition)}\n${command === "" ? "" : `     ${paint(terminal, "cyan", command)}\n`}`;
  });
  return `What would help, the smallest change first:\n${lines.join("")}`;
}

function scoresText(terminal: Pick<Terminal, "colors">, { candidates, fitting }: ExplainResponse): string {
  const shown = table(candidates, [
    { title: "RANK", value: (node) => String(node.rank) },
    { title: "NODE", value: (node) => `${node.nodeName}${node.isChosen ? " ←" : ""}`, color: (node) => (node.isChosen ? "green" : undefined) },
    { title: "SCORE", value: (node) => points(node.total) },
    { title: "MADE OF", value: termsOf },
  ], terminal);
  const left = fitting - candidates.length;
  return `Nodes that fit, best first:\n${shown}${left > 0 ? `… and ${counted(left, "other")}\n` : ""}`;
}

const termsOf = ({ terms }: ScoredNode): string => terms.map(({ name, value }) => `${name} ${points(value)}`).join(", ");

/** Enough digits to tell nodes apart, and no more. */
function points(value: number): string {
  const rounded = Number(value.toPrecision(5));
  return Object.is(rounded, -0) ? "0" : String(rounded);
}

export const counted = (count: number, word: string): string => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
