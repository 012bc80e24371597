import { SwarmError } from "../../../lib/index.js";

/**
 * Path patterns of Go's filepath.Match (`*`, `?`, `[a-z]`, `[^a]`, `\x`; none of them fits a slash), and with `isDeep` Docker's `**`
 * beside them. All states are followed side by side: the time is pattern × path, whatever the pattern.
 */
type Token =
  | { readonly kind: "char"; readonly char: string }
  | { readonly kind: "any" }                       // ? : one character
  | { readonly kind: "star" }                      // * : characters other than /
  | { readonly kind: "all" }                       // ** at the end: everything
  | { readonly kind: "optional" }                  // ** before more: nothing, or what "inside" fits
  | { readonly kind: "inside" }                    // whatever ends in /
  | { readonly kind: "class"; readonly isNegated: boolean; readonly ranges: readonly (readonly [string, string])[] };

export interface PathPattern {
  /** The whole path. */
  matches(path: string): boolean;
  /** The path, or one of the directories that it lies in. */
  matchesOrParent(path: string): boolean;
}

const patternMaxChars = 4096;

export function compilePattern(pattern: string, isDeep: boolean): PathPattern {
  const tokens = tokenize(pattern, isDeep);
  const literal = tokens.every((token) => token.kind === "char") ? tokens.map((token) => (token as { char: string }).char).join("") : undefined;
  if (literal !== undefined) return { matches: (path) => path === literal, matchesOrParent: (path) => path === literal || (path.length > literal.length && path[literal.length] === "/" && path.startsWith(literal)) };
  return { matches: (path) => run(tokens, path, false), matchesOrParent: (path) => run(tokens, path, true) };
}

export const hasWildcards = (pattern: string): boolean => /^(?:[^\\*?[]|\\[\s\S])*[*?[]/.test(pattern);

/** A name that is no pattern, with the escapes taken away. */
export const unescapePattern = (pattern: string): string => pattern.replace(/\\([\s\S])/g, "$1");

function run(tokens: readonly Token[], path: string, alsoParents: boolean): boolean {
  const seen = new Int32Array(tokens.length + 1).fill(-1);
  let step = 0;
  const enter = (list: number[], state: number): void => {
    if (state > tokens.length || seen[state] === step) return;
    seen[state] = step;
    list.push(state);
    const kind = tokens[state]?.kind;
    if (kind === "star" || kind === "all" || kind === "optional") enter(list, state + 1);
    if (kind === "optional") enter(list, state + 2);
  };
  let states: number[] = [];
  enter(states, 0);
  for (let i = 0; i < path.length && states.length > 0; i++) {
    const ch = path[i]!;
    if (alsoParents && ch === "/" && states.includes(tokens.length)) return true;
    step++;
    const next: number[] = [];
    for (const state of states) {
      const token = tokens[state];
      switch (token?.kind) {
        case "char": if (token.char === ch) enter(next, state + 1); break;
        case "any": if (ch !== "/") enter(next, state + 1); break;
        case "class": if (ch !== "/" && token.ranges.some(([from, to]) => ch >= from && ch <= to) !== token.isNegated) enter(next, state + 1); break;
        case "star": if (ch !== "/") enter(next, state); break;
        case "all": enter(next, state); break;
        case "inside": enter(next, state); if (ch === "/") enter(next, state + 1); break;
      }
    }
    states = next;
  }
  return states.includes(tokens.length);
}

function tokenize(pattern: string, isDeep: boolean): Token[] {
  const bad = (why: string): never => { throw new SwarmError("INVALID_ARGUMENT", `pattern "${pattern.slice(0, 200)}" is not valid: ${why}`); };
  if (pattern.length > patternMaxChars) bad(`it has more than ${patternMaxChars} characters`);
  const tokens: Token[] = [];
  for (let i = 0; i < pattern.length; i++) {
    const ch = pattern[i]!;
    if (ch === "*" && isDeep && pattern[i + 1] === "*") {
      while (pattern[i + 1] === "*") i++;
      if (pattern[i + 1] === "/") i++;
      tokens.push(...(i + 1 === pattern.length ? [{ kind: "all" }] as const : [{ kind: "optional" }, { kind: "inside" }] as const));
    } else if (ch === "*") tokens.push({ kind: "star" });
    else if (ch === "?") tokens.push({ kind: "any" });
    else if (ch === "[") {
      const isNegated = pattern[i + 1] === "^";
      if (isNegated) i++;
      const ranges: [string, string][] = [];
      const character = (): string => {
        i++;
        if (pattern[i] === "\\") i++;
        return pattern[i] ?? bad("a closing ] is missing");
      };
      while (pattern[i + 1] !== "]" || ranges.length === 0) {
        if (pattern[i + 1] === "-" || pattern[i + 1] === "]") bad("a range in [ ] is incomplete");
        const from = character();
        let to = from;
        if (pattern[i + 1] === "-") { i++; to = character(); }
        ranges.push([from, to]);
      }
      i++;
      tokens.push({ kind: "class", isNegated, ranges });
    } else if (ch === "\\") {
      if (i + 1 === pattern.length) bad("it ends in a backslash");
      tokens.push({ kind: "char", char: pattern[++i]! });
    } else tokens.push({ kind: "char", char: ch });
  }
  return tokens;
}
