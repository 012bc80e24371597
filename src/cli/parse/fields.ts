import { SwarmError } from "../../lib/index.js";
import { suggestion } from "./suggest.js";

/**
 * "type=bind,source=/a,readonly" → fields, in order; a word without "=" has the value undefined. A value in double quotes may hold commas.
 * `known` maps every accepted spelling to its field.
 */
export function parseFields(text: string, flag: string, known: Readonly<Record<string, string>>): Map<string, string | undefined> {
  const fields = new Map<string, string | undefined>();
  for (const part of splitCommas(text)) {
    const at = part.indexOf("=");
    const key = (at < 0 ? part : part.slice(0, at)).trim().toLowerCase();
    if (!Object.hasOwn(known, key)) {
      const near = suggestion(key, Object.keys(known));
      throw new SwarmError("INVALID_ARGUMENT",
        `Cannot read "${text}" of ${flag}: it has no field "${key}"${near ? `; did you mean "${near}"?` : `; the fields are ${[...new Set(Object.values(known))].join(", ")}.`}`);
    }
    fields.set(known[key]!, at < 0 ? undefined : part.slice(at + 1));
  }
  return fields;
}

function splitCommas(text: string): string[] {
  const parts: string[] = [];
  let part = "";
  let isQuoted = false;
  for (const char of text) {
    if (char === '"') isQuoted = !isQuoted;
    else if (char === "," && !isQuoted) { parts.push(part); part = ""; }
    else part += char;
  }
  parts.push(part);
  return parts;
}

/** A field that is a claim: absent false, bare or "true" true. */
export function fieldIsOn(fields: ReadonlyMap<string, string | undefined>, name: string, flag: string): boolean {
  if (!fields.has(name)) return false;
  const value = fields.get(name);
  if (value === undefined || value === "true" || value === "1") return true;
  if (value === "false" || value === "0") return false;
  throw new SwarmError("INVALID_ARGUMENT", `The value "${value}" of "${name}" in ${flag} is neither true nor false: write one of them.`);
}
