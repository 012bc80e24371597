import { SwarmError } from "../../lib/index.js";

/** "KEY=value" as it is; "KEY" takes the caller's own value, and is left out where there is none. */
export function parseEnv(texts: readonly string[], own: Readonly<Record<string, string | undefined>>, flag = "--env"): string[] {
  return texts.flatMap((text) => {
    const at = text.indexOf("=");
    const key = at < 0 ? text : text.slice(0, at);
    if (!key || /[\s\0]/.test(key)) throw new SwarmError("INVALID_ARGUMENT", `Cannot read "${text}" of ${flag}: a variable needs a name without spaces; write KEY=VALUE.`);
    if (at >= 0) return [text];
    return own[key] === undefined ? [] : [`${key}=${own[key]}`];
  });
}

/** One variable a line; blank lines and lines that begin with "#" are left out. */
export const envFileLines = (content: string): string[] =>
  content.split(/\r?\n/).map((line) => line.trimStart()).filter((line) => line !== "" && !line.startsWith("#"));
