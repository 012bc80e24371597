import { SwarmError, messageOf } from "../../lib/index.js";
import { exposedPorts, shellOf, variablesOf, withEnv, withHealth, type ConfigJson } from "../build/core/image-config.js";
import type { Command, Instruction } from "../build/core/instructions.js";
import { splitDockerfile } from "../build/core/lines.js";
import { parseInstruction } from "../build/core/parse-instruction.js";
import { joinPath } from "../build/core/paths.js";
import { expandWord, expandWords, type Variables } from "../build/core/shell-words.js";

export type { ConfigJson } from "../build/core/image-config.js";

/** A config on its way; a new ENTRYPOINT drops a CMD that came from the image below, not one that was set since. */
export interface ConfigState { readonly config: ConfigJson; readonly isCmdSet: boolean }

const known = ["CMD", "ENTRYPOINT", "ENV", "WORKDIR", "USER", "EXPOSE", "LABEL", "VOLUME", "STOPSIGNAL", "HEALTHCHECK", "ONBUILD", "SHELL"];

/** Dockerfile instructions that only change an image's config: what `docker commit --change` and `image import --change` take. */
export function applyChanges(changes: readonly string[], base: ConfigJson = {}): ConfigJson {
  let state: ConfigState = { config: base, isCmdSet: false };
  for (const change of changes) {
    try {
      const { lines, escape } = splitDockerfile(change);   // several instructions may come in one string, a line each
      for (const line of lines) {
        const name = /^\S*/.exec(line.text)![0].toUpperCase();
        if (!known.includes(name)) throw new SwarmError("INVALID_ARGUMENT", `known instructions are ${known.join(", ")}`);
        state = applyInstruction(state, parseInstruction(line, escape) as Instruction, { variables: variablesOf(state.config.Env ?? [], new Map()), escape })!;
      }
    } catch (error) {
      throw new SwarmError("INVALID_ARGUMENT", `Change "${change.trim().slice(0, 200)}" is not valid: ${messageOf(error).replace(/^dockerfile parse error on line \d+: /, "")}`, { cause: error });
    }
  }
  return state.config;
}

/** What one instruction makes of a config; undefined when it does more than that (RUN, COPY, ADD, ARG, MAINTAINER). */
export function applyInstruction({ config, isCmdSet }: ConfigState, instruction: Instruction, expansion: { readonly variables: Variables; readonly escape: string; readonly used?: Set<string> }): ConfigState | undefined {
  const expand = (word: string) => expandWord(word, expansion);
  const commandLine = (command: Command): readonly string[] => (command.form === "exec" ? command.argv : [...shellOf(config), command.line]);
  const set = (more: ConfigJson): ConfigState => ({ config: { ...config, ...more }, isCmdSet });
  const needed = (value: string): string => value !== "" ? value : (() => { throw new SwarmError("INVALID_ARGUMENT", `"${instruction.text.slice(0, 200)}" has an empty value`); })();
  switch (instruction.kind) {
    case "cmd": return { config: { ...config, Cmd: commandLine(instruction.command) }, isCmdSet: true };
    case "entrypoint": {
      const argv = commandLine(instruction.command);
      return set({ Entrypoint: argv.length > 0 ? argv : null, ...(isCmdSet ? {} : { Cmd: null }) });
    }
    case "env": return { config: withEnv(config, instruction.pairs.map(([name, value]) => [needed(expand(name)), expand(value)] as const)), isCmdSet };
    case "label": return set({ Labels: { ...config.Labels, ...Object.fromEntries(instruction.pairs.map(([name, value]) => [needed(expand(name)), expand(value)])) } });
    case "workdir": return set({ WorkingDir: joinPath(config.WorkingDir || "/", needed(expand(instruction.value))) });
    case "user": return set({ User: needed(expand(instruction.value)) });
    case "stopsignal": {
      const signal = expand(instruction.value);
      if (!/^(\d{1,2}|(SIG)?[A-Z][A-Z0-9]*([+-]\d+)?)$/i.test(signal)) throw new SwarmError("INVALID_ARGUMENT", `"${signal.slice(0, 100)}" is not a signal; write it like SIGTERM or 15`);
      return set({ StopSignal: signal });
    }
    case "expose": return set({ ExposedPorts: { ...config.ExposedPorts, ...Object.fromEntries(exposedPorts(instruction.items.flatMap((item) => expandWords(item, expansion))).map((port) => [port, {}])) } });
    case "volume": return set({ Volumes: { ...config.Volumes, ...Object.fromEntries(instruction.items.map((item) => [needed(expand(item)), {}])) } });
    case "shell": return set({ Shell: instruction.argv });
    case "onbuild": return set({ OnBuild: [...(config.OnBuild ?? []), instruction.trigger] });
    case "healthcheck": return { config: withHealth(config, instruction.health), isCmdSet };
    default: return undefined;
  }
}
