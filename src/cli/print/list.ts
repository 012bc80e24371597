import { SwarmError } from "../../lib/index.js";
import type { CommandInput, FlagSpec } from "../command.js";
import { choose, parseKeyValue } from "../parse/key-value.js";
import { table, type Column } from "./table.js";

/** The flags that every list has. */
export function listFlags(filters: string): readonly FlagSpec[] {
  return [
    { name: "format", kind: "text", value: "FORMAT", help: "table, json (one array) or jsonl (one object a line)" },
    { name: "filter", short: "f", kind: "list", value: "KEY=VALUE", help: `Only what matches: ${filters}; the same key twice means either` },
    { name: "quiet", short: "q", kind: "switch", help: "Only the ids" },
    { name: "no-trunc", kind: "switch", help: "Whole ids" },
  ];
}

/** The filters as the API takes them. A --format that is none is refused here too, before anything is asked. */
export function filtersOf(input: Pick<CommandInput, "flags">): { key: string; value: string }[] {
  formatOf(input);
  return input.flags.list("filter").map((text) => { const [key, value] = parseKeyValue(text, "--filter"); return { key, value }; });
}

/** For lists that do not come from the API: keeps the rows that match every key, by `value(row, key)`; an unknown key is refused. */
export function filterRows<Row>(input: Pick<CommandInput, "flags">, rows: readonly Row[], keys: Readonly<Record<string, (row: Row, value: string) => boolean>>): Row[] {
  const filters = filtersOf(input);
  for (const { key } of filters) {
    if (!Object.hasOwn(keys, key)) throw new SwarmError("INVALID_ARGUMENT", `Cannot filter by "${key}": this list knows ${Object.keys(keys).join(", ")}.`);
  }
  return rows.filter((row) => Object.keys(keys).every((key) => {
    const wanted = filters.filter((filter) => filter.key === key);
    return wanted.length === 0 || wanted.some((filter) => keys[key]!(row, filter.value));
  }));
}

export type ListFormat = "table" | "json" | "jsonl";
export const formatOf = (input: Pick<CommandInput, "flags">, otherwise: ListFormat = "table"): ListFormat =>
  choose(input.flags.text("format") ?? otherwise, "--format", { table: "table", json: "json", jsonl: "jsonl" } as const);

/** Prints a list as its flags say. `id` is what -q prints. */
export function printList<Row>(input: CommandInput, rows: readonly Row[], list: { id: (row: Row) => string; columns: readonly Column<Row>[]; json?: (row: Row) => unknown }): void {
  const format = formatOf(input);
  const json = list.json ?? ((row: Row) => row as unknown);
  if (input.flags.on("quiet")) input.terminal.out(rows.map((row) => `${list.id(row)}\n`).join(""));
  else if (format === "json") input.terminal.out(`${JSON.stringify(rows.map(json), undefined, 2)}\n`);
  else if (format === "jsonl") input.terminal.out(rows.map((row) => `${JSON.stringify(json(row))}\n`).join(""));
  else input.terminal.out(table(rows, list.columns, input.terminal));
}

/** An id as a table shows it. */
export const shortId = (input: Pick<CommandInput, "flags">, id: string): string => (input.flags.on("no-trunc") ? id : id.replace(/^sha256:/, "").slice(0, 12));
