import { SwarmError } from "../../lib/index.js";

/** "key=value" with a key; the value may hold "=" and may be empty. `form`: what these are here, such as "SERVICE=N". */
export function parseKeyValue(text: string, flag: string, form = "KEY=VALUE"): [key: string, value: string] {
  const at = text.indexOf("=");
  if (at <= 0) throw new SwarmError("INVALID_ARGUMENT", `Cannot read "${text}" of ${flag}: write ${form}.`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** A label: "key=value", or "key" for an empty value. */
export function parseLabel(text: string, flag: string): [key: string, value: string] {
  const at = text.indexOf("=");
  if (text === "" || at === 0) throw new SwarmError("INVALID_ARGUMENT", `Cannot read "${text}" of ${flag}: a label needs a name; write KEY=VALUE.`);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

export const parseLabels = (texts: readonly string[], flag: string): Record<string, string> =>
  Object.fromEntries(texts.map((text) => parseLabel(text, flag)));

/** An enum value by the word that people write: `choose("pause", "--x", { pause: "PAUSE" })`. */
export function choose<T>(text: string, flag: string, choices: Readonly<Record<string, T>>): T {
  const key = text.trim().toLowerCase();
  if (Object.hasOwn(choices, key)) return choices[key]!;
  const words = Object.keys(choices);
  const list = words.length > 1 ? `${words.slice(0, -1).join(", ")} or ${words.at(-1)}` : words[0]!;
  throw new SwarmError("INVALID_ARGUMENT", `The value "${text}" of ${flag} is not one of its choices: write ${list}.`);
}
