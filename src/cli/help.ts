import type { Command, FlagSpec } from "./command.js";
import { flagsOf } from "./flags.js";

/** The help of one command, `columns` wide. */
export function commandHelp(name: string, command: Command, columns: number): string {
  const lines = [`Usage: ${name} ${command.usage}`.trimEnd(), "", ...wrap(command.about, columns)];
  const groups = new Map<string, FlagSpec[]>();
  for (const flag of flagsOf(command)) groups.set(flag.group ?? "Options", [...(groups.get(flag.group ?? "Options") ?? []), flag]);
  const width = Math.max(...flagsOf(command).map((flag) => label(flag).length));
  for (const [heading, flags] of groups) {
    lines.push("", `${heading}:`);
    for (const flag of flags) lines.push(...twoColumns(label(flag), flag.help, Math.min(width, 36), columns));
  }
  if (command.examples?.length) {
    lines.push("", "Examples:");
    for (const [line, what] of command.examples) lines.push(`  # ${what}`, `  ${line}`);
  }
  if (command.notes) lines.push("", ...command.notes.split("\n").flatMap((line) => wrap(line, columns)));
  return lines.join("\n") + "\n";
}

const label = (flag: FlagSpec): string =>
  `${flag.short ? `-${flag.short}, ` : "    "}--${flag.name}${flag.value ? (flag.bare === undefined ? ` ${flag.value}` : `[=${flag.value}]`) : ""}`;

export function twoColumns(left: string, right: string, width: number, columns: number): string[] {
  const indent = " ".repeat(width + 4);
  const text = wrap(right, Math.max(30, columns - width - 4));
  if (left.length > width) return [`  ${left}`, ...text.map((line) => indent + line)];
  return text.map((line, index) => (index === 0 ? `  ${left.padEnd(width)}  ${line}` : indent + line));
}

export function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line && line.length + 1 + word.length > columns) { lines.push(line); line = word; } else line = line ? `${line} ${word}` : word;
  }
  lines.push(line);
  return lines;
}
