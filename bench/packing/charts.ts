/** Charts of the results, as SVG files. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ChurnResult } from "./churn.js";
import type { Compaction } from "./compaction.js";
import type { RepackPoint } from "./repack.js";
import { arrivalsPct, type Saturation } from "./saturation.js";

const font = `font-family="sans-serif" font-size="11" fill="#333"`;
const ours = "#1f6feb", theirs = "#999", curveColours = [ours, "#d9480f", "#2f9e44", "#862e9c"];

/** A row a workload: what was allocated at 100 % of arrived demand, a bar, and what was published of it, a mark. */
export function drawSaturation(directory: string, results: readonly Saturation[], peer: string): void {
  const at = arrivalsPct.indexOf(100);
  const rows = results.map(({ workload, allocatedPct, published }) => ({ name: workload, value: allocatedPct[at]!, mark: published?.get("gpu_alloc_pct_at_arrival_100") }));
  write(directory, "packing-saturation.svg", bars("GPUs allocated when 100 % of them have been asked for, %", rows, 80, 100, "Skein", peer));
}

/** A row a workload: machines over the lower bound, mean of the orders. */
export function drawCompaction(directory: string, results: readonly Compaction[]): void {
  const rows = results.flatMap(({ workload, bound, machines }) => {
    const found = machines.filter((count) => count !== undefined);
    return found.length < machines.length ? [] : [{ name: workload, value: 100 * (found.reduce((sum, count) => sum + count, 0) / found.length / bound - 1), mark: undefined }];
  });
  write(directory, "packing-compaction.svg", bars("Machines needed online, % above the lower bound", rows, 0, Math.max(2, ...rows.map(({ value }) => Math.ceil(value))), "Skein", ""));
}

export function drawChurn(directory: string, results: readonly ChurnResult[]): void {
  const rows = results.flatMap(({ isWithGpus, bestFitPct, stillPct, movedPct }) => {
    const of = isWithGpus ? "with GPUs" : "CPU, memory";
    return [{ name: `${of}, no moves`, value: stillPct, mark: bestFitPct }, { name: `${of}, moves`, value: movedPct, mark: undefined }];
  });
  write(directory, "packing-churn.svg", bars("Machines open while tasks come and go, % above the lower bound", rows, 0, 8, "Skein", "best fit"));
}

/** A curve a workload: machines over the lower bound by moves made, in % of the tasks. */
export function drawRebalance(directory: string, results: readonly { readonly workload: string; readonly points: readonly RepackPoint[] }[]): void {
  const left = 50, width = 480, top = 44, height = 150, points = results.flatMap((each) => each.points);
  const most = Math.max(0.2, ...points.map(({ overPct }) => overPct)), mostMoves = Math.max(0.01, ...points.map(({ moves }) => moves));
  const x = (moves: number) => (left + (width * moves) / mostMoves).toFixed(1), y = (overPct: number) => (top + height - (height * overPct) / most).toFixed(1);
  const grid = [0, 0.25, 0.5, 0.75, 1].map((part) => `<line x1="${left}" y1="${y(part * most)}" x2="${left + width}" y2="${y(part * most)}" stroke="#ddd"/><text x="${left - 4}" y="${y(part * most)}" text-anchor="end" ${font}>${(part * most).toFixed(2)}</text>`
    + `<text x="${x(part * mostMoves)}" y="${top + height + 14}" text-anchor="middle" ${font}>${(100 * part * mostMoves).toFixed(0)}</text>`);
  const curves = results.map(({ workload, points: each }, i) => {
    const sorted = [...each].sort((a, b) => a.moves - b.moves), colour = curveColours[i % curveColours.length]!;
    return `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${sorted.map(({ moves, overPct }) => `${x(moves)},${y(overPct)}`).join(" ")}"/>`
      + sorted.map(({ moves, overPct }) => `<circle cx="${x(moves)}" cy="${y(overPct)}" r="3" fill="${colour}"/>`).join("") + `<text x="${left + 8 + i * 110}" y="32" font-family="sans-serif" font-size="11" fill="${colour}">${workload}</text>`;
  });
  const title = `<text x="${left}" y="14" ${font} font-weight="bold">Machines needed, % above the lower bound, by running tasks moved, % of all</text>`;
  write(directory, "packing-rebalance.svg", `<svg xmlns="http://www.w3.org/2000/svg" width="${left + width + 30}" height="${top + height + 24}"><rect width="100%" height="100%" fill="#fff"/>${title}${grid.join("")}${curves.join("")}</svg>\n`);
}

function bars(title: string, rows: readonly { readonly name: string; readonly value: number; readonly mark: number | undefined }[], from: number, to: number, name: string, markName: string): string {
  const left = 150, width = 480, height = 18, top = 44, bottom = top + rows.length * height;
  const x = (value: number) => left + (width * (Math.min(to, Math.max(from, value)) - from)) / (to - from);
  const step = (to - from) / 4;
  const grid = Array.from({ length: 5 }, (_, i) => from + i * step).map((value) =>
    `<line x1="${x(value)}" y1="${top - 4}" x2="${x(value)}" y2="${bottom}" stroke="#ddd"/><text x="${x(value)}" y="${bottom + 14}" text-anchor="middle" ${font}>${Number(value.toFixed(2))}</text>`);
  const lines = rows.map(({ name: row, value, mark }, i) => {
    const y = top + i * height;
    return `<text x="${left - 6}" y="${y + 12}" text-anchor="end" ${font}>${row}</text><rect x="${left}" y="${y + 3}" width="${(x(value) - left).toFixed(1)}" height="${height - 7}" fill="${ours}"/>`
      + (mark === undefined ? "" : `<line x1="${x(mark).toFixed(1)}" y1="${y}" x2="${x(mark).toFixed(1)}" y2="${y + height - 1}" stroke="${theirs}" stroke-width="3"/>`)
      + `<text x="${(x(value) + 4).toFixed(1)}" y="${y + 12}" ${font}>${value.toFixed(2)}</text>`;
  });
  const legend = `<rect x="${left}" y="22" width="10" height="8" fill="${ours}"/><text x="${left + 14}" y="30" ${font}>${name}</text>`
    + (rows.some(({ mark }) => mark !== undefined) ? `<line x1="${left + 75}" y1="20" x2="${left + 75}" y2="32" stroke="${theirs}" stroke-width="3"/><text x="${left + 81}" y="30" ${font}>${markName}</text>` : "");
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${left + width + 60}" height="${bottom + 24}"><rect width="100%" height="100%" fill="#fff"/><text x="${left}" y="14" ${font} font-weight="bold">${title}</text>${legend}${grid.join("")}${lines.join("")}</svg>\n`;
}

function write(directory: string, name: string, text: string): void {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, name), text);
}
