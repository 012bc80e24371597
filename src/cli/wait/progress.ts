import { taskStateWord } from "../../model/index.js";
import { stateColor } from "../print/words.js";
import { paint, type Terminal } from "../terminal.js";
import type { SlotView } from "./convergence.js";

/** Shows how far a service is, on standard error. */
export interface Progress {
  show(title: string, slots: readonly SlotView[], desired: number): void;
  /** Leaves the last picture standing. */
  end(): void;
}

export const createProgress = (terminal: Terminal, isPlain: boolean): Progress => (isPlain ? new PlainProgress(terminal) : new LiveProgress(terminal));

const wordFor = (slot: SlotView): string => (slot.state === undefined ? "new" : taskStateWord(slot.state)) + (slot.state !== undefined && !slot.isUpToDate ? " (old revision)" : "");

/** One line for each thing that a person would want in a log: running, waiting with the reason, failed with the reason. */
class PlainProgress implements Progress {
  readonly #said = new Map<string, string>();
  constructor(private readonly terminal: Terminal) {}
  show(_title: string, slots: readonly SlotView[]): void {
    for (const slot of slots) {
      const isWorthALine = slot.isRunning || slot.why !== "" || slot.state === "COMPLETE";
      const line = `${slot.name}: ${wordFor(slot)}${slot.nodeName ? ` on ${slot.nodeName}` : ""}${slot.why ? `: ${slot.why}` : ""}`;
      if (!isWorthALine || this.#said.get(slot.key) === line) continue;
      this.#said.set(slot.key, line);
      this.terminal.err(`${line}\n`);
    }
  }
  end(): void {}
}

/** A block of lines that is drawn over itself. */
class LiveProgress implements Progress {
  #height = 0;
  #drawn = "";
  constructor(private readonly terminal: Terminal) {}

  show(title: string, slots: readonly SlotView[], desired: number): void {
    const room = Math.max(3, this.terminal.rows - 4);
    // What is not running yet comes first where there is no room for all.
    const shown = slots.length <= room ? slots : [...slots.filter((slot) => !slot.isRunning), ...slots.filter((slot) => slot.isRunning)].slice(0, room);
    const nameWidth = Math.max(0, ...shown.map((slot) => slot.name.length));
    const stateWidth = Math.max(0, ...shown.map((slot) => wordFor(slot).length));
    const nodeWidth = Math.max(0, ...shown.map((slot) => slot.nodeName.length));
    const running = slots.filter((slot) => slot.isRunning).length;
    const lines = [
      `${title}: ${bar(this.terminal, running, desired)} ${running}/${desired} running`,
      ...shown.flatMap((slot) => {
        const head = `  ${slot.name.padEnd(nameWidth)}  ${paint(this.terminal, slot.state && stateColor(slot.state), wordFor(slot).padEnd(stateWidth))}  ${slot.nodeName.padEnd(nodeWidth)}`;
        const tail = slot.why || (slot.isRunning ? "" : slot.message);
        return [`${head}  ${tail}`.trimEnd()];
      }),
      ...(shown.length < slots.length ? [`  … and ${slots.length - shown.length} more`] : []),
    ];
    // Drawing the same again only flickers.
    if (lines.join("\n") === this.#drawn) return;
    this.#drawn = lines.join("\n");
    const erase = this.#height ? `\u001b[${this.#height}A\u001b[J` : "";
    this.terminal.err(`${erase}${lines.join("\n")}\n`);
    this.#height = lines.reduce((height, line) => height + Math.max(1, Math.ceil(visibleLength(line) / this.terminal.columns)), 0);
  }
  end(): void { this.#height = 0; }
}

function bar(terminal: Terminal, done: number, all: number): string {
  const width = 20;
  const filled = all === 0 ? width : Math.round((width * Math.min(done, all)) / all);
  return paint(terminal, filled === width ? "green" : "yellow", "█".repeat(filled)) + "░".repeat(width - filled);
}

const visibleLength = (line: string): number => line.replace(/\u001b\[[\d;]*m/g, "").length;
