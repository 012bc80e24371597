import { paint, type Color, type Terminal } from "../terminal.js";

/** A share of something, as a bar: full from 0 to 1; more than 1 (over-committed) shows as full and red. */
export function bar(terminal: Pick<Terminal, "colors">, share: number, width = 10): string {
  const filled = Math.max(0, Math.min(width, Math.round(share * width)));
  const color: Color = share > 1 ? "red" : share >= 0.85 ? "yellow" : "green";
  return paint(terminal, filled > 0 ? color : undefined, "█".repeat(filled)) + "░".repeat(width - filled);
}

/** 0.784 → "78 %" */
export const percent = (share: number): string => `${Math.round(share * 100)} %`;
