/** Files that the command line names, as they are or compressed. */
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

export function textOf(path: string): string {
  return said(path, () => (path.endsWith(".gz") ? gunzipSync(readFileSync(path)).toString("utf8") : readFileSync(path, "utf8")));
}

/** Of a directory the files whose names match, in the order of their names; undefined: it is none. */
export function filesBelow(path: string, names: RegExp): string[] | undefined {
  return said(path, () => (statSync(path).isDirectory() ? readdirSync(path).filter((name) => names.test(name)).sort().map((name) => join(path, name)) : undefined));
}

function said<T>(path: string, read: () => T): T {
  try { return read(); } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(`Cannot read "${path}": ${code === "ENOENT" ? "there is no such file" : code === "EISDIR" ? "it is a directory; name a file in it" : message}`, { cause: error });
  }
}
