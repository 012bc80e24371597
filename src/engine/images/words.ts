import { SwarmError } from "../../lib/index.js";

/** How Dockerfile instructions spell words: quotes, the escape character and variables (Dockerfile reference, "Environment replacement"). */
export interface WordRules {
  /** A variable's value; undefined: it is not set. */
  readonly lookup: (name: string) => string | undefined;
  readonly escape: "\\" | "`";
}

/** Cuts at white space outside quotes; quotes and escapes stay for expandWord. */
export function splitWords(text: string, escape: WordRules["escape"]): string[] {
  const words: string[] = [];
  let word = "";
  let quote = "";
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (c === escape && quote !== "'" && i + 1 < text.length) { word += c + text[++i]!; continue; }
    if (quote) { if (c === quote) quote = ""; } else if (c === '"' || c === "'") quote = c;
    else if (/\s/.test(c)) { if (word !== "") words.push(word); word = ""; continue; }
    word += c;
  }
  if (word !== "") words.push(word);
  return words;
}

/** Takes quotes and escapes away and puts variables in: $name, ${name}, ${name:-default}, ${name:+instead}, ${name-…}, ${name+…}, ${name:?why}, and ${name#pattern} and its like. */
export function expandWord(word: string, rules: WordRules): string {
  let at = 0;
  const refuse = (why: string): never => { throw new SwarmError("INVALID_ARGUMENT", `"${word.slice(0, 200)}" cannot be expanded: ${why}`); };

  const variable = (): string => {
    at++;                                  // $
    if (word[at] !== "{") {
      const [name] = /^([A-Za-z_][A-Za-z0-9_]*|[0-9@*#?!-])/.exec(word.slice(at)) ?? [""];
      if (name === "") return "$";
      at += name.length;
      return rules.lookup(name) ?? "";
    }
    at++;
    const [name] = /^[A-Za-z_][A-Za-z0-9_]*|^[0-9]+/.exec(word.slice(at)) ?? [""];
    if (name === "") return refuse('after "${" comes a name');
    at += name.length;
    const value = rules.lookup(name);
    if (word[at] === "}") { at++; return value ?? ""; }
    const [operator] = /^(:?[-+?]|##?|%%?|\/\/?)/.exec(word.slice(at)) ?? [""];
    if (operator === "") return refuse(`"\${${name}" is not closed or has an unknown modifier`);
    at += operator.length;
    const argument = until("}");
    const isThere = value !== undefined && (!operator.startsWith(":") || value !== "");
    switch (operator.at(-1)) {
      case "-": return isThere ? value : argument;
      case "+": return isThere ? argument : "";
      case "?": return isThere ? value : refuse(argument || `"${name}" is not set`);
      case "#": return cut(value ?? "", argument, true, operator.length === 2);
      case "%": return cut(value ?? "", argument, false, operator.length === 2);
      default: {
        const slash = argument.indexOf("/");
        const pattern = globPattern(slash < 0 ? argument : argument.slice(0, slash), true);
        return (value ?? "").replace(new RegExp(pattern, operator === "//" ? "g" : ""), () => (slash < 0 ? "" : argument.slice(slash + 1)));
      }
    }
  };

  const until = (end: string): string => {
    let text = "";
    while (at < word.length) {
      const c = word[at]!;
      if (c === end) { at++; return text; }
      if (c === rules.escape && at + 1 < word.length) { text += word[at + 1]!; at += 2; }
      else if (c === "$") text += variable();
      else if (c === '"' || c === "'") text += quoted(c);
      else { text += c; at++; }
    }
    return end === "" ? text : refuse(`a "${end}" is missing`);
  };

  const quoted = (quote: string): string => {
    at++;
    if (quote === "'") {
      const close = word.indexOf("'", at);
      if (close < 0) return refuse("a single quote is not closed");
      const text = word.slice(at, close);
      at = close + 1;
      return text;
    }
    let text = "";
    while (at < word.length) {
      const c = word[at]!;
      if (c === '"') { at++; return text; }
      if (c === rules.escape && at + 1 < word.length) {
        const next = word[at + 1]!;
        // In double quotes the escape stays before anything but these.
        text += next === '"' || next === "$" || next === rules.escape ? next : c + next;
        at += 2;
      } else if (c === "$") text += variable();
      else { text += c; at++; }
    }
    return refuse("a double quote is not closed");
  };

  return until("");
}

function cut(value: string, pattern: string, isPrefix: boolean, isGreedy: boolean): string {
  const glob = globPattern(pattern, isGreedy);
  if (isPrefix) return value.replace(new RegExp(`^(?:${glob})`, "s"), "");
  const exact = new RegExp(`^(?:${glob})$`, "s");
  const starts = Array.from({ length: value.length + 1 }, (_, i) => i);
  const found = (isGreedy ? starts : starts.reverse()).find((i) => exact.test(value.slice(i)));
  return found === undefined ? value : value.slice(0, found);
}

const globPattern = (glob: string, isGreedy: boolean): string => glob.replace(/[.+^${}()|[\]\\]/g, "\\$&").replace(/\*/g, isGreedy ? ".*" : ".*?").replace(/\?/g, ".");
