import { parseError } from "./parse-error.js";

/** Text that an instruction brings along: `<<NAME … NAME`. */
export interface Heredoc {
  readonly name: string;
  /** Without quotes around its name, variables in it are replaced (COPY and ADD; RUN leaves that to the shell). */
  readonly isExpanded: boolean;
  /** `<<-`: leading tabs do not count. */
  readonly isChomped: boolean;
  /** As it stands in the file, each line with its newline. */
  readonly content: string;
}

/** One instruction: continuation lines joined, comments inside taken out. */
export interface LogicalLine { readonly line: number; readonly text: string; readonly heredocs: readonly Heredoc[] }

export interface DockerfileLines {
  readonly escape: "\\" | "`";
  /** The frontend that `# syntax=` names. Nothing is fetched for it. */
  readonly syntax: string | undefined;
  readonly lines: readonly LogicalLine[];
  readonly warnings: readonly string[];
}

const dockerfileMaxChars = 4 * 1024 * 1024;
const lineMaxChars = 1024 * 1024;
const directives = ["escape", "syntax", "check"];

/** Physical lines → instructions, by the rules of Dockerfile syntax 1.x: directives, comments, continuations, heredocs. */
export function splitDockerfile(source: string): DockerfileLines {
  if (source.length > dockerfileMaxChars) throw parseError(1, `the file has ${source.length} characters; ${dockerfileMaxChars} are allowed`);
  if (source.includes("\0")) throw parseError(source.slice(0, source.indexOf("\0")).split("\n").length, "the file holds a zero byte: it is not a text");
  const physical = source.replace(/^\ufeff/, "").split(/\r?\n/);
  const { escape, syntax } = readDirectives(physical);
  const warnings: string[] = [];
  const lines: LogicalLine[] = [];
  for (let at = 0; at < physical.length;) {
    const start = at;
    const first = physical[at++]!.trim();
    if (first === "" || first.startsWith("#")) continue;
    const parts: string[] = [];
    let length = 0;
    let hasEmpty = false;
    let rest = first;
    for (;;) {
      const cut = continuationStart(rest, escape);
      const part = cut === undefined ? rest : rest.slice(0, cut);
      parts.push(part);
      length += part.length;
      if (length > lineMaxChars) throw parseError(start + 1, `the instruction is longer than ${lineMaxChars} characters; put its text into a file of the context`);
      if (cut === undefined) break;
      // Comments and (for old Dockerfiles) empty lines inside an instruction do not end it.
      while (at < physical.length && /^\s*(#|$)/.test(physical[at]!)) if (physical[at++]!.trim() === "") hasEmpty = true;
      if (at >= physical.length) break;
      rest = physical[at++]!;
    }
    if (hasEmpty) warnings.push(`[Warning] Empty continuation line found in: line ${start + 1}`);
    const text = parts.join("").trim();
    const heredocs: Heredoc[] = [];
    for (const opening of heredocsOf(text)) {
      const body: string[] = [];
      for (;;) {
        if (at >= physical.length) throw parseError(start + 1, `unterminated heredoc: no line "${opening.name}" ends it`);
        const line = physical[at++]!;
        if ((opening.isChomped ? line.replace(/^\t+/, "") : line) === opening.name) break;
        body.push(`${line}\n`);
      }
      heredocs.push({ ...opening, content: body.join("") });
    }
    lines.push({ line: start + 1, text, heredocs });
  }
  return { escape, syntax, lines, warnings };
}

export const chompHeredoc = (content: string): string => content.replace(/^\t+/gm, "");

/** Where the escape character begins that makes the next line part of this one. */
function continuationStart(line: string, escape: string): number | undefined {
  let end = line.length;
  while (end > 0 && (line[end - 1] === " " || line[end - 1] === "\t")) end--;
  return end > 0 && line[end - 1] === escape && !(end > 1 && line[end - 2] === escape) ? end - 1 : undefined;
}

function readDirectives(physical: readonly string[]): { escape: "\\" | "`"; syntax: string | undefined } {
  const found = new Map<string, string>();
  for (const [i, line] of physical.entries()) {
    const [, name, value] = /^\s*#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    const key = name?.toLowerCase();
    // Only at the top: the first line that is none ends them.
    if (key === undefined || !directives.includes(key)) break;
    if (found.has(key)) throw parseError(i + 1, `only one ${key} parser directive can be used`);
    if (key === "escape" && value !== "\\" && value !== "`") throw parseError(i + 1, `invalid ESCAPE '${value}': must be \` or \\`);
    found.set(key, value!);
  }
  return { escape: found.get("escape") === "`" ? "`" : "\\", syntax: found.get("syntax") || undefined };
}

/** What heredocs an instruction opens. Only RUN, COPY and ADD have them, also behind ONBUILD. */
function heredocsOf(text: string): Omit<Heredoc, "content">[] {
  if (!/^(ONBUILD\s+)?(RUN|COPY|ADD)\s/i.test(text) || !text.includes("<<")) return [];
  const found: Omit<Heredoc, "content">[] = [];
  for (const word of rawWords(text)) {
    const opening = parseHeredocWord(word);
    if (opening) found.push(opening);
  }
  return found;
}

/** `<<EOF`, `3<<-"EOF"`, else undefined. */
export function parseHeredocWord(word: string): Omit<Heredoc, "content"> | undefined {
  const [, dash, raw] = /^\d*<<(-?)([^<]+)$/.exec(word) ?? [];
  if (raw === undefined) return undefined;
  const name = raw.replace(/(["'])(.*?)\1/g, "$2").replace(/\\(.)/g, "$1");
  if (name === "" || /["']/.test(name)) return undefined;
  return { name, isExpanded: name === raw, isChomped: dash === "-" };
}

/** Words as a shell divides them, quotes and escapes kept; an unfinished quote makes no words at all. */
function rawWords(text: string): string[] {
  const words: string[] = [];
  let word = "";
  for (let i = 0; i < text.length; i++) {
    const ch = text[i]!;
    if (/\s/.test(ch)) { if (word) words.push(word); word = ""; continue; }
    word += ch;
    if (ch === "\\" && i + 1 < text.length) word += text[++i];
    else if (ch === "'" || ch === '"') {
      const end = closingQuote(text, i);
      if (end < 0) return words;
      word += text.slice(i + 1, end + 1);
      i = end;
    }
  }
  if (word) words.push(word);
  return words;
}

function closingQuote(text: string, start: number): number {
  const quote = text[start];
  for (let i = start + 1; i < text.length; i++) {
    if (quote === '"' && text[i] === "\\") i++;
    else if (text[i] === quote) return i;
  }
  return -1;
}
