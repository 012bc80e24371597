import { SwarmError } from "../../../lib/index.js";

/** Renaming the PID column would hide from us which process a line is about. */
export function checkPsArguments(args: readonly string[]): void {
  const renamed = /(?:^|[\s,])(\S*)=\s*(PID\S*)/i.exec(args.join(" "));
  if (renamed) throw new SwarmError("INVALID_ARGUMENT", `"${renamed[1]}=${renamed[2]}" is not allowed: the column PID must keep its name`);
}

/** What ps printed, as far as it is about these processes. The last column may hold blanks. */
export function processesOf(output: string, pids: ReadonlySet<number>): { titles: readonly string[]; processes: readonly (readonly string[])[] } {
  const [head = "", ...rows] = output.split("\n");
  const titles = head.trim().split(/\s+/).filter((title) => title !== "");
  const column = titles.indexOf("PID");
  if (column < 0) throw new SwarmError("INVALID_ARGUMENT", "ps printed no column PID; ask for it, as with -o pid,cmd");
  const processes = rows.flatMap((row) => {
    const fields = row.trim().split(/\s+/);
    if (!pids.has(Number(fields[column]))) return [];
    return [[...fields.slice(0, titles.length - 1), fields.slice(titles.length - 1).join(" ")]];
  });
  return { titles, processes };
}
