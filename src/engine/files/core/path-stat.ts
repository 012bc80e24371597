/** A path as Docker takes it: it is absolute whatever it begins with; ending in "/" or "/." it means a directory, and a link there is followed. */
export interface AskedPath { readonly path: string; readonly isFollowed: boolean; /** What it is called in an archive. */ readonly name: string }

export function askedPath(given: string): AskedPath {
  const path = absolute(given);
  const isDot = /(^|\/)\.$/.test(given);
  const isFollowed = isDot || path === "/" || given.endsWith("/");
  return { path, isFollowed, name: path === "/" ? "/" : isDot ? "." : path.slice(path.lastIndexOf("/") + 1) };
}

/** Below the root whatever it says: no "." and no "..", no slash at the end. */
function absolute(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

/** The contract's PathStat. */
interface PathFacts { readonly name: string; readonly sizeBytes: number; readonly goMode: number; readonly mtimeMs: number; readonly linkTarget: string }

/** What `skein-monitor files` tells of a path; see monitor/container-files.c. Undefined: not all of it is there yet. */
export function parseStat(bytes: Buffer, asked: AskedPath): { readonly stat: PathFacts; readonly length: number } | undefined {
  const fields: string[] = [];
  let at = 0;
  for (let i = 0; i < 4; i++) {
    const end = bytes.indexOf(0, at);
    if (end < 0) return undefined;
    fields.push(bytes.toString("utf8", at, end));
    at = end + 1;
  }
  const [numbers = "", directory = "/", resolved = "", link = ""] = fields;
  const [mode = 0, sizeBytes = 0, seconds = 0, nanoseconds = 0] = numbers.split(" ").map(Number);
  // A link to what is not there leads where it says.
  const linkTarget = link === "" ? "" : resolved !== "" ? resolved : absolute(link.startsWith("/") ? link : `${directory}/${link}`);
  return { stat: { name: asked.name, sizeBytes, goMode: goModeOf(mode), mtimeMs: seconds * 1000 + nanoseconds / 1e6, linkTarget }, length: at };
}

/** Go's os.FileMode of a st_mode: permissions below, kinds in bits of their own. */
export function goModeOf(mode: number): number {
  const kinds: Readonly<Record<number, number>> = { 0o040000: 2 ** 31, 0o120000: 2 ** 27, 0o060000: 2 ** 26, 0o010000: 2 ** 25, 0o140000: 2 ** 24, 0o020000: 2 ** 26 + 2 ** 21 };
  return (mode & 0o777) + (kinds[mode & 0o170000] ?? 0) + (mode & 0o4000 ? 2 ** 23 : 0) + (mode & 0o2000 ? 2 ** 22 : 0) + (mode & 0o1000 ? 2 ** 20 : 0);
}
