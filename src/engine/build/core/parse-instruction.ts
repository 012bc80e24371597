import { messageOf } from "../../../lib/index.js";
import { parseHeredocWord, type LogicalLine } from "./lines.js";
import { durationMs } from "./go-duration.js";
import type { Command, From, Instruction } from "./instructions.js";
import { didYouMean, parseError } from "./parse-error.js";
import { splitWords } from "./shell-words.js";

const names = ["ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"];

/** One logical line → one instruction; FROM begins a stage and is told apart. */
export function parseInstruction(source: LogicalLine, escape: string): Instruction | (From & { readonly kind: "from" }) {
  const { line } = source;
  const [, word = "", rest = ""] = /^(\S+)\s*([\s\S]*)$/.exec(source.text) ?? [];
  const name = word.toUpperCase();
  const fail = (why: string): never => { throw parseError(line, why); };
  if (!names.includes(name)) fail(`unknown instruction: ${word.slice(0, 100)}${didYouMean(word, names)}`);
  const text = `${name} ${rest}`.trim();
  const base = { line, text };
  const flags = new Flags(line, name);
  const body = flags.read(rest, escape);
  const needBody = () => { if (body === "") fail(name === "ENV" || name === "LABEL" ? `${name} must have two arguments` : `${name} requires at least one argument`); };
  const parsed = ((): Instruction | (From & { readonly kind: "from" }) => {
    switch (name) {
      case "FROM": {
        const [image, as, alias, ...more] = body.split(/\s+/).filter((each) => each !== "");
        if (image === undefined || (as !== undefined && (as.toUpperCase() !== "AS" || alias === undefined)) || more.length > 0) return fail("FROM requires either one or three arguments: FROM image [AS name]");
        if (alias !== undefined && !/^[a-z][a-z0-9-_.]*$/i.test(alias)) fail(`invalid name for build stage: "${alias.slice(0, 100)}", name can't start with a number or contain symbols`);
        return { ...base, kind: "from", image, platform: flags.one("platform"), alias };
      }
      case "RUN": {
        const network = flags.one("network") ?? "default";
        if (network !== "default" && network !== "none" && network !== "host") return fail(`invalid network mode: "${network}"; use default, none or host`);
        const security = flags.one("security") ?? "sandbox";
        if (security !== "sandbox") fail(security === "insecure" ? "RUN --security=insecure is refused: a build has no more rights than a container; run the step in a privileged container and commit that" : `invalid security mode: "${security}"`);
        const mounts = flags.many("mount");
        if (body === "") fail("RUN requires at least one argument");
        return { ...base, kind: "run", command: commandOf(body, fail), heredocs: source.heredocs, mounts, network };
      }
      case "COPY": case "ADD": {
        const isAdd = name === "ADD";
        const list = body.startsWith("[") ? jsonStrings(body, fail) : undefined;
        const words = list ?? body.split(/\s+/).filter((each) => each !== "");
        if (words.length < 2) fail(`${name} requires at least two arguments, but only one was provided. Destination could not be determined`);
        const target = words.at(-1)!;
        if (parseHeredocWord(target)) fail(`${name} cannot accept a heredoc as a destination`);
        if (flags.boolean("parents")) fail(`${name} --parents is not supported; name the directories in the destination`);
        return {
          ...base, kind: isAdd ? "add" : "copy", sources: words.slice(0, -1), target, heredocs: source.heredocs,
          from: isAdd ? undefined : flags.one("from"), chown: flags.one("chown"), chmod: flags.one("chmod"), excludes: flags.many("exclude"),
          checksum: isAdd ? flags.one("checksum") : undefined,
          isUnpacked: isAdd && flags.has("unpack") ? flags.boolean("unpack") : undefined,
          ...(flags.boolean("link"), flags.boolean("keep-git-dir"), {}),
        };
      }
      case "CMD": return { ...base, kind: "cmd", command: commandOf(body, fail) };
      case "ENTRYPOINT": return { ...base, kind: "entrypoint", command: commandOf(body, fail) };
      case "ENV": case "LABEL": {
        needBody();
        return { ...base, kind: name === "ENV" ? "env" : "label", ...pairsOf(body, name, escape, fail) };
      }
      case "ARG": {
        needBody();
        return { ...base, kind: "arg", args: splitWords(body, escape).map((each) => {
          const at = each.indexOf("=");
          if (at === 0) return fail(`ARG names can not be blank: "${each}"`);
          return at < 0 ? { name: each, value: undefined } : { name: each.slice(0, at), value: each.slice(at + 1) };
        }) };
      }
      case "EXPOSE": needBody(); return { ...base, kind: "expose", items: [body] };
      case "VOLUME": {
        const items = maybeJson(body, fail) ?? body.split(/\s+/);
        if (items.length === 0 || items.some((each) => each.trim() === "")) fail("VOLUME specified can not be an empty string");
        return { ...base, kind: "volume", items };
      }
      case "USER": case "WORKDIR": case "STOPSIGNAL": case "MAINTAINER": needBody(); return { ...base, kind: name.toLowerCase() as "user", value: body };
      case "SHELL": {
        const argv = maybeJson(body, fail) ?? fail("SHELL requires the arguments to be in JSON form");
        if (argv.length === 0) fail("SHELL requires at least one argument");
        return { ...base, kind: "shell", argv };
      }
      case "ONBUILD": {
        needBody();
        const inner = /^\S+/.exec(body)![0].toUpperCase();
        if (inner === "ONBUILD") fail("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
        if (inner === "FROM" || inner === "MAINTAINER") fail(`${inner} isn't allowed as an ONBUILD trigger`);
        const instruction = parseInstruction({ line, text: body, heredocs: source.heredocs }, escape) as Instruction;
        // The heredocs travel with the text, for whoever reads it in the image.
        return { ...base, kind: "onbuild", trigger: [body, ...source.heredocs.map((each) => `${each.content}${each.name}`)].join("\n"), inner: instruction };
      }
      default: return { ...base, kind: "healthcheck", ...healthOf(body, flags, fail) };
    }
  })();
  flags.refuseOthers();
  return parsed;
}

/** `--name`, `--name=value` before an instruction's own words. */
const sameFlagsMax = 1_000;

class Flags {
  #values = new Map<string, string[]>();
  #known = new Set<string>();
  constructor(private readonly line: number, private readonly instruction: string) {}

  read(text: string, escape: string): string {
    const bools = ["link", "keep-git-dir", "parents", "unpack"];
    let at = 0;
    const hasFlags = ["ADD", "COPY", "FROM", "HEALTHCHECK", "RUN"].includes(this.instruction);
    while (hasFlags && text.startsWith("--", at)) {
      let word = "";
      let quote = "";
      for (; at < text.length && (quote !== "" || !/\s/.test(text[at]!)); at++) {
        const ch = text[at]!;
        if (ch === escape && quote !== "'" && at + 1 < text.length) word += text[++at];
        else if (quote === "" && (ch === "'" || ch === '"')) quote = ch;
        else if (ch === quote) quote = "";
        else word += ch;
      }
      while (at < text.length && /\s/.test(text[at]!)) at++;
      if (word === "--") break;
      const equals = word.indexOf("=");
      const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
      if (equals < 0 && !bools.includes(name)) throw parseError(this.line, `missing a value on flag: ${name}`);
      const values = this.#values.get(name) ?? [];
      if (values.length === sameFlagsMax) throw parseError(this.line, `there are more than ${sameFlagsMax} flags --${name}`);
      values.push(equals < 0 ? "true" : word.slice(equals + 1));
      this.#values.set(name, values);
    }
    return text.slice(at).trim();
  }

  has(name: string): boolean { return this.#values.has(name); }
  many(name: string): string[] { this.#known.add(name); return this.#values.get(name) ?? []; }
  one(name: string): string | undefined {
    const values = this.many(name);
    if (values.length > 1) throw parseError(this.line, `duplicate flag specified: ${name}`);
    return values[0];
  }
  boolean(name: string): boolean {
    const value = this.one(name)?.toLowerCase();
    if (value !== undefined && value !== "true" && value !== "false") throw parseError(this.line, `expecting boolean value for flag ${name}, not: ${value}`);
    return value === "true";
  }

  /** Flags that nobody asked for are not the instruction's. */
  refuseOthers(): void {
    for (const name of this.#values.keys()) if (!this.#known.has(name)) {
      throw parseError(this.line, `unknown flag: --${name}${didYouMean(name, [...this.#known])}`);
    }
  }
}

type Fail = (why: string) => never;

function commandOf(body: string, fail: Fail): Command {
  const argv = maybeJson(body, fail);
  return argv ? { form: "exec", argv } : { form: "shell", line: body };
}

/** A list of strings, or undefined for what is no JSON: that is a line for the shell. */
function maybeJson(body: string, fail: Fail): string[] | undefined {
  if (!body.startsWith("[")) return undefined;
  let parsed: unknown;
  try { parsed = JSON.parse(body); } catch { return undefined; }
  if (!Array.isArray(parsed) || !parsed.every((each): each is string => typeof each === "string")) return fail("When using JSON array syntax, arrays must be comprised of strings only.");
  return parsed;
}

function jsonStrings(body: string, fail: Fail): string[] | undefined { return maybeJson(body, fail); }

function pairsOf(body: string, name: string, escape: string, fail: Fail): { pairs: (readonly [string, string])[]; isOldForm: boolean } {
  const words = splitWords(body, escape);
  if (!words[0]!.includes("=")) {
    const [, key, value] = /^(\S+)\s+([\s\S]+)$/.exec(body) ?? fail(`${name} must have two arguments`);
    return { pairs: [[key!, value!]], isOldForm: true };
  }
  return {
    isOldForm: false,
    pairs: words.map((word) => {
      const at = word.indexOf("=");
      if (at < 0) fail(`Syntax error - can't find = in "${word.slice(0, 100)}". Must be of the form: name=value`);
      if (at === 0) fail(`${name} names can not be blank`);
      return [word.slice(0, at), word.slice(at + 1)] as const;
    }),
  };
}

function healthOf(body: string, flags: Flags, fail: Fail) {
  const [, word = "", rest = ""] = /^(\S*)\s*([\s\S]*)$/.exec(body)!;
  const type = word.toUpperCase();
  const ms = (name: string): number => {
    const text = flags.one(name);
    if (text === undefined) return 0;
    let value = 0;
    try { value = durationMs(text); } catch (error) { fail(messageOf(error)); }
    if (value !== 0 && value < 1) fail(`Interval "${name}" cannot be less than 1ms`);
    return Math.round(value);
  };
  const retries = flags.one("retries");
  const timing = { intervalMs: ms("interval"), timeoutMs: ms("timeout"), startPeriodMs: ms("start-period"), startIntervalMs: ms("start-interval"), retries: Number(retries ?? 0) };
  if (retries !== undefined && !/^\d{1,9}$/.test(retries)) fail(`--retries cannot be "${retries}"; use a whole number`);
  if (type === "NONE") {
    if (rest !== "") fail("HEALTHCHECK NONE takes no arguments");
    return { health: { test: ["NONE"], intervalMs: 0, timeoutMs: 0, startPeriodMs: 0, startIntervalMs: 0, retries: 0 }, command: undefined };
  }
  if (type !== "CMD") fail(type === "" ? "HEALTHCHECK requires at least one argument" : `Unknown type "${type.slice(0, 100)}" in HEALTHCHECK (try CMD)`);
  const command = commandOf(rest, fail);
  if (rest === "" || (command.form === "exec" && command.argv.length === 0)) fail("Missing command after HEALTHCHECK CMD");
  return { health: { test: command.form === "exec" ? ["CMD", ...command.argv] : ["CMD-SHELL", command.line], ...timing }, command };
}
