import { SwarmError, codeOf, messageOf } from "../lib/index.js";
import { connect } from "./connect.js";
import { ContextStore, defaultContext } from "./context.js";
import type { Command } from "./command.js";
import { exitCode, exitCodeOf } from "./exit-codes.js";
import { Flags, flagsOf, globalFlags, parseFlags } from "./flags.js";
import { commandHelp, twoColumns } from "./help.js";
import { suggestion } from "./parse/suggest.js";
import { placesFor } from "./places.js";
import { nouns, registry, sections } from "./registry.js";
import { paint, type Terminal } from "./terminal.js";

export interface CliOptions {
  readonly argv: readonly string[];
  readonly terminal: Terminal;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  readonly now?: () => number;
}

/** Runs one command line; resolves to its exit code, and never rejects. */
export async function runCli(options: CliOptions): Promise<number> {
  const { terminal, environment, signal } = options;
  try {
    return await dispatch(options);
  } catch (error) {
    if (signal.aborted) return exitCode.interrupted;
    const sentence = error instanceof SwarmError ? messageOf(error) : `This is a bug in swarmctl: ${messageOf(error)}; SKEIN_DEBUG=1 shows where.`;
    terminal.err(`${paint({ colors: terminal.colors && terminal.errIsTty }, "red", "swarmctl:")} ${sentence}\n`);
    if (environment["SKEIN_DEBUG"]) terminal.err(`${error instanceof Error ? error.stack : String(error)}\n${error instanceof Error && error.cause ? `caused by ${String(error.cause)}\n` : ""}`);
    return codeOf(error) === "UNKNOWN" && error instanceof SwarmError === false ? exitCode.failed : exitCodeOf(error);
  }
}

async function dispatch(options: CliOptions): Promise<number> {
  const { environment, signal, now = Date.now } = options;
  // Global flags may stand before the command, where a command's own flag of that name cannot hide them.
  const ahead = parseFlags("swarmctl", [...globalFlags, { name: "version", short: "v", kind: "switch", help: "" }], options.argv, true);
  if (ahead.values["version"] === true) return dispatch({ ...options, argv: ["version", ...ahead.words] });
  const words = ahead.words[0] === "help" ? [...ahead.words.slice(1), "--help"] : ahead.words;
  const noColor = (values: Readonly<Record<string, unknown>>) => values["no-color"] === true;
  const plain = (terminal: Terminal, isPlain: boolean): Terminal => (isPlain ? Object.create(terminal, { colors: { value: false } }) as Terminal : terminal);

  const found = findCommand(words);
  if (!found || (ahead.values["help"] === true && found.path === "")) {
    const terminal = plain(options.terminal, noColor(ahead.values));
    return helpFor(words, terminal, ahead.values["help"] === true);
  }
  const command = (await registry[found.path]!.load()).default;
  const name = `swarmctl ${found.path}`;
  const flags = flagsOf(command);
  const parsed = parseFlags(name, flags, found.rest, command.stopsAtFirstWord ?? false);
  const terminal = plain(options.terminal, noColor(ahead.values) || noColor(parsed.values));
  if (parsed.values["help"] === true || ahead.values["help"] === true) {
    terminal.out(commandHelp(name, command, Math.min(terminal.columns, 110)));
    return exitCode.done;
  }
  checkWords(name, command, parsed.words);

  const contexts = ContextStore.inHome(environment);
  const globals = (key: "context" | "host") => (ownsFlag(command, key) ? undefined : last(parsed.values[key])) ?? last(ahead.values[key]);
  let isStaleSaid = false;
  const connection = connect({
    places: placesFor({ context: globals("context"), host: globals("host"), environment, contexts }),
    onStale: (reason) => {
      if (isStaleSaid) return;
      isStaleSaid = true;
      terminal.err(`${paint(terminal, "yellow", "swarmctl:")} warning: ${reason || "this copy may be out of date"}\n`);
    },
  });
  try {
    return await command.run({ flags: new Flags(flags, parsed.values), args: parsed.words, terminal, connection, contexts, environment, signal, now }) ?? exitCode.done;
  } finally { connection.close(); }
}

const ownsFlag = (command: Command, name: string): boolean => command.flags.some((flag) => flag.name === name);
const last = (value: unknown): string | undefined => (value === undefined ? undefined : String(Array.isArray(value) ? value.at(-1) : value));

/** The longest path of words that is a command, and what follows it. */
function findCommand(words: readonly string[]): { path: string; rest: string[] } | undefined {
  for (const length of [2, 1]) {
    const path = words.slice(0, length).join(" ");
    if (words.length >= length && Object.hasOwn(registry, path)) return { path, rest: words.slice(length) };
  }
  return undefined;
}

/** Help for no command, a noun alone, or a command that is not there. */
function helpFor(words: readonly string[], terminal: Terminal, isAsked: boolean): number {
  const [noun = "", verb] = words.filter((word) => !word.startsWith("-"));
  const wantsHelp = isAsked || words.some((word) => word === "--help" || word === "-h");
  if (noun === "") {
    (wantsHelp ? terminal.out : terminal.err)(mainHelp());
    return wantsHelp ? exitCode.done : exitCode.badUsage;
  }
  if (!Object.hasOwn(nouns, noun)) {
    const near = suggestion(noun, [...Object.keys(nouns), ...Object.keys(registry).filter((path) => !path.includes(" "))]);
    throw new SwarmError("INVALID_ARGUMENT", `There is no command "swarmctl ${noun}"${near ? `: did you mean "swarmctl ${near}"?` : "."} See "swarmctl --help".`);
  }
  const verbs = Object.keys(registry).filter((path) => path.startsWith(`${noun} `)).map((path) => path.slice(noun.length + 1));
  if (verb !== undefined) {
    const near = suggestion(verb, verbs);
    throw new SwarmError("INVALID_ARGUMENT", `There is no command "swarmctl ${noun} ${verb}"${near ? `: did you mean "swarmctl ${noun} ${near}"?` : "."} See "swarmctl ${noun} --help".`);
  }
  const lines = [`Usage: swarmctl ${noun} COMMAND`, "", nouns[noun]!, "", "Commands:",
    ...verbs.flatMap((each) => twoColumns(each, registry[`${noun} ${each}`]!.about, 12, 100)), "", `"swarmctl ${noun} COMMAND --help" says more.`];
  (wantsHelp ? terminal.out : terminal.err)(`${lines.join("\n")}\n`);
  return wantsHelp ? exitCode.done : exitCode.badUsage;
}

function mainHelp(): string {
  const line = (word: string) => (Object.hasOwn(nouns, word) ? twoColumns(`${word} …`, nouns[word]!, 12, 100) : twoColumns(word, registry[word]!.about, 12, 100));
  return [
    "Usage: swarmctl [--context NAME | --host HOST] COMMAND", "", "Skein's command line: a cluster of hosts, its services and networks, and each host's containers.", "",
    ...sections.flatMap(({ heading, words }) => [`${heading}:`, ...words.flatMap(line), ""]),
    "Global options:", ...globalFlags.flatMap((flag) => twoColumns(`${flag.short ? `-${flag.short}, ` : ""}--${flag.name}${flag.value ? ` ${flag.value}` : ""}`, flag.help, 16, 100)), "",
    "Exit codes: 0 done · 1 refused or failed · 2 bad usage or a bad value · 3 accepted, but not (yet) as asked",
    "            4 not found · 5 no manager or no leader reached · 130 interrupted; run, exec and start -a: the command's", "",
    "\"swarmctl COMMAND --help\" says more, also of a group, \"swarmctl service --help\"; \"swarmctl lab up\" starts a cluster to try it on.", "",
  ].join("\n");
}

function checkWords(name: string, command: Command, words: readonly string[]): void {
  const { min, max = min } = command.args;
  if (words.length >= min && words.length <= max) return;
  const wanted = command.usage.replace(/^\[OPTIONS\] ?/, "");
  const why = words.length < min ? (words.length === 0 ? `needs ${wanted}` : `needs more than "${words.join(" ")}": ${wanted}`)
    : `takes ${wanted || "no words"}; "${words[max]}" is too many`;
  throw new SwarmError("INVALID_ARGUMENT", `"${name}" ${why}. See "${name} --help".`);
}

export { defaultContext };
