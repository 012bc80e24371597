import type { CommandInput, FlagSpec } from "../command.js";
import { choose } from "../parse/key-value.js";

export const inspectFlags: readonly FlagSpec[] = [
  { name: "format", kind: "text", value: "FORMAT", help: "json (one array, the default), jsonl (one object a line) or pretty" },
  { name: "pretty", kind: "switch", help: "For people: an indented list without the empty fields" },
];

/** Prints whole objects. */
export function printObjects(input: CommandInput, found: readonly object[]): void {
  // Decoding puts lists and maps first; what names the object is looked for first.
  const objects = found.map((object) => ("id" in object ? Object.assign({ id: object.id }, object) : object));
  const format = input.flags.on("pretty") ? "pretty" : choose(input.flags.text("format") ?? "json", "--format", { json: "json", jsonl: "jsonl", pretty: "pretty" } as const);
  if (format === "json") input.terminal.out(`${JSON.stringify(objects, undefined, 2)}\n`);
  else if (format === "jsonl") input.terminal.out(objects.map((object) => `${JSON.stringify(object)}\n`).join(""));
  else input.terminal.out(objects.map((object) => outline(object)).join("\n"));
}

/** An object as an indented outline; what is empty, zero or false is left out, times are dates. */
export function outline(value: unknown, indent = "", isMap = false): string {
  const lines: string[] = [];
  for (const [key, field] of Object.entries(value as object)) {
    if (isEmpty(field)) continue;
    const title = isMap ? key : key.replace(/(Ms|Bytes)$/, "").replace(/([a-z0-9])(?=[A-Z])|([A-Z])(?=[A-Z][a-z])/g, "$1$2 ").replace(/^./, (first) => first.toUpperCase());
    if (Array.isArray(field) && field.every((item) => typeof item !== "object")) lines.push(`${indent}${title}: ${field.join(" ")}\n`);
    else if (Array.isArray(field)) lines.push(`${indent}${title}:\n${field.map((item) => `${indent}- ${outline(item, `${indent}  `).trimStart()}`).join("")}`);
    else if (typeof field === "object") lines.push(`${indent}${title}:\n${outline(field, `${indent}  `, maps.has(key))}`);
    else lines.push(`${indent}${title}: ${scalar(key, field)}\n`);
  }
  return lines.join("");
}

/** Fields whose keys are people's own words. */
const maps = new Set([
  "labels", "options", "sysctls", "volumeLabels", "engineLabels", "attributes", "removedNodes",
  "Labels", "Options", "Sysctls", "DriverOpts", "Ports", "PortBindings", "ExposedPorts", "Networks", "Volumes", "Runtimes", "Containers", "IndexConfigs",   // as the Docker API has them
]);

function scalar(key: string, value: unknown): string {
  if (typeof value !== "number") return String(value);
  if (/Ms$/.test(key)) return value > 1e11 ? new Date(value).toISOString() : duration(value);
  if (/Bytes$/.test(key)) return size(value);
  return String(value);
}

const isEmpty = (value: unknown): boolean =>
  value === undefined || value === null || value === "" || value === 0 || value === false
  || (Array.isArray(value) ? value.length === 0 : typeof value === "object" && Object.values(value).every(isEmpty));

/** 1536 → "1.5 KiB" */
export function size(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit++; }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** 90500 → "1m30.5s" */
export function duration(ms: number): string {
  if (ms < 1_000) return `${ms}ms`;
  const days = Math.floor(ms / 86_400_000);
  const hours = Math.floor(ms / 3_600_000) % 24;
  const minutes = Math.floor(ms / 60_000) % 60;
  const seconds = (ms / 1_000) % 60;
  return (days ? `${days}d` : "") + (hours ? `${hours}h` : "") + (minutes ? `${minutes}m` : "") + (seconds ? `${Number(seconds.toFixed(3))}s` : "");
}
