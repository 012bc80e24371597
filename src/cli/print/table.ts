import { printable } from "../../lib/index.js";
import { paint, type Color, type Terminal } from "../terminal.js";

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string;
  readonly color?: (row: Row) => Color | undefined;
}

/** Columns as wide as their widest cell; the last one is as long as it is, and nothing is ever cut off. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[], terminal: Pick<Terminal, "colors">): string {
  const cells = rows.map((row) => columns.map((column) => printable(column.value(row))));
  const widths = columns.map((column, index) => Math.max(column.title.length, ...cells.map((row) => width(row[index]!))));
  const line = (texts: readonly string[], colors: readonly (Color | undefined)[]) =>
    texts.map((text, index) => {
      const padding = index === texts.length - 1 ? "" : " ".repeat(Math.max(0, widths[index]! - width(text)));
      return paint(terminal, colors[index], text) + padding;
    }).join("   ").trimEnd() + "\n";
  return line(columns.map((column) => column.title), columns.map(() => "bold"))
    + cells.map((row, index) => line(row, columns.map((column) => column.color?.(rows[index]!)))).join("");
}

const width = (text: string): number => [...text].length;
