import { compilePattern, type PathPattern } from "./path-pattern.js";
import { cleanPath } from "./paths.js";

interface Rule { readonly pattern: PathPattern; readonly isException: boolean }

export interface IgnoreRules {
  /** `path` is clean and relative to the context. */
  ignores(path: string): boolean;
  /** An ignored directory may hold what is not ignored. */
  readonly hasExceptions: boolean;
}

/** A .dockerignore, by Docker's rules: the last line that fits a path, or a directory it lies in, decides. */
export function parseIgnoreFile(text: string): IgnoreRules {
  return ignoreRules(text.replace(/^\ufeff/, "").split(/\r?\n/).filter((line) => !line.startsWith("#")));
}

export function ignoreRules(patterns: readonly string[]): IgnoreRules {
  const rules: Rule[] = [];
  for (const line of patterns) {
    const trimmed = line.trim();
    const isException = trimmed.startsWith("!");
    const body = isException ? trimmed.slice(1).trim() : trimmed;
    if (body === "") continue;
    const clean = cleanPath(body).replace(/^\/+/, "");
    if (clean === "" || clean === ".") continue;   // as Docker: "." has no effect
    rules.push({ pattern: compilePattern(clean, true), isException });
  }
  return {
    hasExceptions: rules.some((rule) => rule.isException),
    ignores(path) {
      let isIgnored = false;
      for (const rule of rules) if (rule.isException === isIgnored && rule.pattern.matchesOrParent(path)) isIgnored = !rule.isException;
      return isIgnored;
    },
  };
}
