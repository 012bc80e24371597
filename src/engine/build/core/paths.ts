/** Go's filepath.Clean: no empty or "." parts, ".." resolved as far as can be; "." for nothing. */
export function cleanPath(path: string): string {
  const isAbsolute = path.startsWith("/");
  const out: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") out.push(part);
    else if (out.length > 0 && out.at(-1) !== "..") out.pop();
    else if (!isAbsolute) out.push("..");
  }
  return (isAbsolute ? "/" : "") + out.join("/") || (isAbsolute ? "/" : ".");
}

/** The parts of a path inside a root: ".." stops at the root. */
export const partsBelowRoot = (path: string): string[] => cleanPath(`/${path}`).split("/").filter((part) => part !== "");

/** Relative to the working directory; clean; without a slash at the end. */
export const joinPath = (base: string, path: string): string => cleanPath(path.startsWith("/") ? path : `${base || "/"}/${path}`);

/** Whether a destination names a directory, whatever is there: "/x/", ".", "./", "..". */
export const namesDirectory = (path: string): boolean => path === "" || path.endsWith("/") || /(^|\/)\.\.?$/.test(path);
