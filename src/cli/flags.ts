import yargs from "yargs";
import { SwarmError, assert, messageOf } from "../lib/index.js";
import type { Command, FlagSpec } from "./command.js";
import { suggestion } from "./parse/suggest.js";

/** The flags of one call. Asking for a flag that the command does not declare is a bug. */
export class Flags {
  readonly #declared: ReadonlySet<string>;
  constructor(declared: readonly FlagSpec[], private readonly values: Readonly<Record<string, unknown>>) {
    this.#declared = new Set(declared.map((flag) => flag.name));
  }
  declares(name: string): boolean { return this.#declared.has(name); }
  has(name: string): boolean {
    assert(this.#declared.has(name), `the command declares --${name}`);
    return this.values[name] !== undefined;
  }
  /** The value, the last one where it was given more than once. */
  text(name: string): string | undefined {
    if (!this.has(name)) return undefined;
    const value = this.values[name];
    return String(Array.isArray(value) ? value.at(-1) : value);
  }
  list(name: string): string[] {
    if (!this.has(name)) return [];
    const value = this.values[name];
    return (Array.isArray(value) ? value : [value]).map(String);
  }
  on(name: string): boolean {
    if (!this.has(name)) return false;
    const value = this.values[name];
    return (Array.isArray(value) ? value.at(-1) : value) === true;
  }
}

export const globalFlags: readonly FlagSpec[] = [
  { name: "context", kind: "text", value: "NAME", group: "Global options", help: "Cluster to talk to (also SKEIN_CONTEXT; see \"swarmctl context\")" },
  { name: "host", kind: "text", value: "HOST", group: "Global options", help: "One host: its run directory, or its name where the context has it (also SKEIN_HOST)" },
  { name: "no-color", kind: "switch", group: "Global options", help: "No colours (also NO_COLOR)" },
  { name: "help", short: "h", kind: "switch", group: "Global options", help: "This text" },
];

/** A command's own flags hide a global one of the same name, which is then given before the command's name. */
export const flagsOf = (command: Pick<Command, "flags">): FlagSpec[] =>
  [...command.flags, ...globalFlags.filter((global) => !command.flags.some((flag) => flag.name === global.name))];

export interface Parsed { readonly values: Readonly<Record<string, unknown>>; readonly words: string[] }

/** `name` is the whole command, "swarmctl service create", for the sentences. Throws INVALID_ARGUMENT. */
export function parseFlags(name: string, flags: readonly FlagSpec[], argv: readonly string[], stopsAtFirstWord: boolean): Parsed {
  const parser = yargs()
    .exitProcess(false).help(false).version(false).showHelpOnFail(false)
    .fail((message, error) => { throw error instanceof SwarmError ? error : new SwarmError("INVALID_ARGUMENT", sentenceFor(message ?? messageOf(error), name)); })
    .parserConfiguration({
      "camel-case-expansion": false, "dot-notation": false, "parse-numbers": false, "parse-positional-numbers": false,
      "boolean-negation": false, "greedy-arrays": false, "strip-aliased": true, "halt-at-non-option": stopsAtFirstWord,
    })
    .options(Object.fromEntries(flags.map((flag) => [flag.name, {
      alias: flag.short ? [flag.short] : [],
      type: flag.kind === "switch" ? "boolean" as const : "string" as const,
      array: flag.kind === "list",
      requiresArg: flag.kind !== "switch" && flag.bare === undefined,
    }])));
  const { _: words, $0: _program, ...values } = parser.parseSync([...argv]) as { _: unknown[]; $0: string } & Record<string, unknown>;
  const known = flags.map((flag) => flag.name);
  for (const key of Object.keys(values)) {
    if (known.includes(key)) continue;
    const given = key.length === 1 ? `-${key}` : `--${key}`;
    const near = key.length > 1 ? suggestion(key, known) : undefined;
    throw new SwarmError("INVALID_ARGUMENT", `Unknown flag "${given}"${near ? `: did you mean "--${near}"?` : "."} See "${name} --help".`);
  }
  refuseUnlikeSwitches(flags, stopsAtFirstWord ? argv.slice(0, argv.length - words.length) : argv);
  for (const { name: key, bare } of flags) if (bare !== undefined && values[key] === "") values[key] = bare;
  return { values, words: words.map(String) };
}

/** "--usage-aware=maybe" would be read as no. */
function refuseUnlikeSwitches(flags: readonly FlagSpec[], argv: readonly string[]): void {
  for (const argument of argv) {
    if (argument === "--") return;
    const [, name, value] = /^--([^=]+)=(.*)$/s.exec(argument) ?? [];
    if (name === undefined || value === "true" || value === "false" || !flags.some((flag) => flag.kind === "switch" && flag.name === name)) continue;
    throw new SwarmError("INVALID_ARGUMENT", `The value "${value}" of --${name} is not possible: the flag alone is yes, and --${name}=false is no.`);
  }
}

function sentenceFor(message: string, name: string): string {
  const missing = /^Not enough arguments following: (.+)$/.exec(message);
  if (missing) return `Flag "--${missing[1]}" needs a value. See "${name} --help".`;
  return `${message.replace(/\.?$/, ".")} See "${name} --help".`;
}
