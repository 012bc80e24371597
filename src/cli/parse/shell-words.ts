import { SwarmError } from "../../lib/index.js";

/** A command line as a POSIX shell splits it, without expansion: quotes and backslashes only. */
export function parseShellWords(text: string, flag: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote: "'" | '"' | undefined;
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    if (quote === "'") { if (char === "'") quote = undefined; else word += char; continue; }
    if (char === "\\" && i + 1 < text.length) { word = (word ?? "") + text[++i]!; continue; }
    if (quote === '"') { if (char === '"') quote = undefined; else word += char; continue; }
    if (char === "'" || char === '"') { quote = char; word ??= ""; continue; }
    if (/\s/.test(char)) { if (word !== undefined) words.push(word); word = undefined; continue; }
    word = (word ?? "") + char;
  }
  if (quote) throw new SwarmError("INVALID_ARGUMENT", `Cannot read ${JSON.stringify(text)} of ${flag}: a quote is not closed; add ${quote}.`);
  if (word !== undefined) words.push(word);
  return words;
}
