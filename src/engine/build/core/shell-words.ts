import { SwarmError } from "../../../lib/index.js";

export type Variables = ReadonlyMap<string, string>;
interface Expansion { readonly variables: Variables; readonly escape: string; /** Names that were looked up. */ readonly used?: Set<string>; }

/** A word as Docker reads it: variables replaced, quotes and escapes taken away. */
export function expandWord(word: string, options: Expansion): string { return new Reader(word, options).word(undefined); }

/** A text in which only variables mean something (heredocs): quotes stay, `\$` is a dollar sign. */
export function expandText(text: string, options: Expansion): string { return new Reader(text, options).text(); }

/** Expanded like expandWord, then divided at unquoted spaces, also at those that a variable brings (EXPOSE $PORTS). */
export function expandWords(text: string, options: Expansion): string[] {
  return new Reader(text, options).words();
}

/** Divides at unquoted white space and keeps quotes and escapes: what ENV, LABEL and ARG take. */
export function splitWords(text: string, escape: string): string[] {
  const words: string[] = [];
  let word = "";
  let quote = "";
  for (let i = 0; i < text.length; i++) {
    const ch = text[i]!;
    if (quote === "" && /\s/.test(ch)) { if (word !== "") words.push(word); word = ""; continue; }
    word += ch;
    if (ch === escape && quote !== "'" && i + 1 < text.length) word += text[++i];
    else if (quote === "" && (ch === "'" || ch === '"')) quote = ch;
    else if (ch === quote) quote = "";
  }
  if (word !== "") words.push(word);
  return words;
}

const patternValueMaxChars = 32 * 1024;

const bad = (why: string) => new SwarmError("INVALID_ARGUMENT", `syntax error: ${why}`);
const depthMax = 50;

class Reader {
  #at = 0;
  constructor(private readonly source: string, private readonly options: Expansion, private readonly depth = 0) {
    if (depth > depthMax) throw bad(`variables are nested more than ${depthMax} deep`);
  }

  word(until: string | undefined): string {
    let out = "";
    while (this.#at < this.source.length && this.source[this.#at] !== until) out += this.#piece().text;
    return out;
  }

  words(): string[] {
    const words: string[] = [];
    let word = "";
    let isWord = false;
    const end = () => { if (isWord) words.push(word); word = ""; isWord = false; };
    while (this.#at < this.source.length) {
      if (/\s/.test(this.source[this.#at]!)) { this.#at++; end(); continue; }
      const { text, kind } = this.#piece();
      if (kind !== "variable") { word += text; isWord = true; continue; }
      const parts = text.split(/\s+/);
      parts.forEach((part, i) => { if (i > 0) end(); if (part !== "") { word += part; isWord = true; } });
    }
    end();
    return words;
  }

  text(): string {
    let out = "";
    while (this.#at < this.source.length) {
      const ch = this.source[this.#at]!;
      if (ch === this.options.escape && this.source[this.#at + 1] === "$") { out += "$"; this.#at += 2; } else if (ch === "$") out += this.#dollar();
      else { out += ch; this.#at++; }
    }
    return out;
  }

  #piece(): { text: string; kind: "plain" | "quoted" | "variable" } {
    const ch = this.source[this.#at]!;
    if (ch === "'") return { text: this.#single(), kind: "quoted" };
    if (ch === '"') return { text: this.#double(), kind: "quoted" };
    if (ch === "$") return { text: this.#dollar(), kind: "variable" };
    this.#at++;
    if (ch !== this.options.escape) return { text: ch, kind: "plain" };
    // An escape at the very end is dropped.
    return { text: this.source[this.#at++] ?? "", kind: "plain" };
  }

  #single(): string {
    const end = this.source.indexOf("'", this.#at + 1);
    if (end < 0) throw bad("unexpected end of statement while looking for matching single-quote");
    const text = this.source.slice(this.#at + 1, end);
    this.#at = end + 1;
    return text;
  }

  #double(): string {
    const { escape } = this.options;
    let out = "";
    for (this.#at++; this.#at < this.source.length;) {
      const ch = this.source[this.#at]!;
      if (ch === '"') { this.#at++; return out; }
      if (ch === "$") { out += this.#dollar(); continue; }
      this.#at++;
      if (ch !== escape) { out += ch; continue; }
      const next = this.source[this.#at++];
      if (next === undefined) break;
      out += next === '"' || next === "$" || next === escape ? next : ch + next;
    }
    throw bad("unexpected end of statement while looking for matching double-quote");
  }

  #dollar(): string {
    this.#at++;
    if (this.source[this.#at] !== "{") {
      const name = this.#name();
      return name === "" ? "$" : this.#value(name) ?? "";
    }
    this.#at++;
    const name = this.#name();
    if (name === "") throw bad(this.source[this.#at] === "}" ? "${} names no variable" : "bad substitution");
    const value = this.#value(name);
    const rest = this.source.slice(this.#at);
    const [operator = ""] = /^(:[-+?]|[-+?]|##?|%%?|\/\/?|\})/.exec(rest) ?? [];
    if (operator === "") throw rest === "" ? bad("unexpected end of statement, a closing } is missing") : bad(`unsupported modifier (${rest[0]}) in substitution of ${name}`);
    this.#at += operator.length;
    if (operator === "}") return value ?? "";
    if (/^[/#%]/.test(operator) && (value?.length ?? 0) > patternValueMaxChars) throw bad(`the value of ${name} is longer than ${patternValueMaxChars} characters, too long for a pattern`);
    if (operator.startsWith("/")) {
      const pattern = this.#until("/");
      const replacement = this.#until("}");
      return replaceMatches(value ?? "", pattern, replacement, operator === "//");
    }
    const word = this.#until("}");
    const isSet = operator.startsWith(":") ? value !== undefined && value !== "" : value !== undefined;
    switch (operator) {
      case ":-": case "-": return isSet ? value! : word;
      case ":+": case "+": return isSet ? word : "";
      case ":?": case "?": if (!isSet) throw bad(`${name}: ${word || "is not allowed to be unset"}`); return value!;
      case "#": case "##": return trimPrefix(value ?? "", word, operator === "##");
      default: return [...trimPrefix(reverse(value ?? ""), reverseGlob(word), operator === "%%")].reverse().join("");
    }
  }

  /** The part before a `}` or `/`, itself expanded. */
  #until(end: string): string {
    const inner = new Reader(this.source.slice(this.#at), this.options, this.depth + 1);
    const text = inner.word(end);
    this.#at += inner.#at;
    if (this.source[this.#at] !== end) throw bad("unexpected end of statement, a closing } is missing");
    this.#at++;
    return text;
  }

  #name(): string {
    const [name = ""] = /^(?:[A-Za-z_][A-Za-z0-9_]*|\d+|[@*#?$!-](?=\}))/.exec(this.source.slice(this.#at, this.#at + 256)) ?? [];
    this.#at += name.length;
    return name;
  }

  #value(name: string): string | undefined {
    this.options.used?.add(name);
    return this.options.variables.get(name);
  }
}

const reverse = (text: string): string => [...text].reverse().join("");

/** A shell pattern read backwards: escapes stay before what they escape. */
function reverseGlob(pattern: string): string {
  const parts: string[] = [];
  for (let i = 0; i < pattern.length; i++) parts.push(pattern[i] === "\\" && i + 1 < pattern.length ? pattern[i]! + pattern[++i]! : pattern[i]!);
  return parts.reverse().join("");
}

/** Tried length by length, each in linear time: no pattern makes this slow. */
function trimPrefix(value: string, pattern: string, isGreedy: boolean): string {
  const ends = prefixEnds(value, pattern);
  if (ends.length === 0) return value;
  return value.slice(isGreedy ? ends.at(-1) : ends[0]);
}

function replaceMatches(value: string, pattern: string, replacement: string, isAll: boolean): string {
  if (pattern === "") return value;
  let out = "";
  for (let at = 0; at < value.length;) {
    const end = prefixEnds(value.slice(at), pattern).at(-1);
    if (!end) { out += value[at++]; continue; }
    out += replacement;
    at += end;
    if (!isAll) return out + value.slice(at);
  }
  return out;
}

/** How long the beginnings of value are that the pattern (* ? and escapes) fits, shortest first. */
function prefixEnds(value: string, pattern: string): number[] {
  const tokens: string[] = [];
  for (let i = 0; i < pattern.length; i++) tokens.push(pattern[i] === "\\" && i + 1 < pattern.length ? `=${pattern[++i]}` : pattern[i] === "*" || pattern[i] === "?" ? pattern[i]! : `=${pattern[i]}`);
  let states = closure(new Set([0]), tokens);
  const ends: number[] = states.has(tokens.length) ? [0] : [];
  for (let at = 0; at < value.length && states.size > 0; at++) {
    const next = new Set<number>();
    for (const state of states) {
      const token = tokens[state];
      if (token === "*") next.add(state);
      else if (token === "?" || token === `=${value[at]}`) next.add(state + 1);
    }
    states = closure(next, tokens);
    if (states.has(tokens.length)) ends.push(at + 1);
  }
  return ends;
}

function closure(states: Set<number>, tokens: readonly string[]): Set<number> {
  for (const state of states) if (tokens[state] === "*") states.add(state + 1);
  return states;
}
