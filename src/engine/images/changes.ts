import { SwarmError, messageOf } from "../../lib/index.js";
import { exposedPorts, shellOf, sortedMap, variablesOf, withEnv, withHealth, type ConfigJson } from "../build/core/image-config.js";
import type { Instruction } from "../build/core/instructions.js";
import { splitDockerfile } from "../build/core/lines.js";
import { parseInstruction } from "../build/core/parse-instruction.js";
import { joinPath } from "../build/core/paths.js";
import { expandWord, expandWords } from "../build/core/shell-words.js";
import { signalNumber } from "../runtime/process-identity.js";

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

/**
 * What one instruction makes of a config, and how an image's history calls that; undefined when it does more (RUN, COPY, ADD, ARG, MAINTAINER). The builder uses it too,
 * except for WORKDIR, which makes a directory there.
 */
export function applyInstruction({ config, isCmdSet }: ConfigState, instruction: Instruction, expansion: Parameters<typeof expandWord>[1]): (ConfigState & { readonly createdBy: string }) | undefined {
  const word = (text: string) => expandWord(text, expansion);
  const shell = shellOf(config);
  const made = (change: ConfigJson, history: string) => ({ config: { ...config, ...change }, isCmdSet, createdBy: `${shell.join(" ")} #(nop)  ${history}` });
  const needed = (value: string, what: string): string => value !== "" ? value : (() => { throw new SwarmError("INVALID_ARGUMENT", what); })();
  switch (instruction.kind) {
    case "cmd": case "entrypoint": {
      const argv = instruction.command.form === "exec" ? instruction.command.argv : [...shell, instruction.command.line];
      const value = argv.length > 0 ? argv : null;
      if (instruction.kind === "cmd") return { ...made({ Cmd: value }, `CMD ${JSON.stringify(argv)}`), isCmdSet: true };
      return made({ Entrypoint: value, ...(isCmdSet ? {} : { Cmd: null }) }, `ENTRYPOINT ${JSON.stringify(argv)}`);
    }
    case "env": case "label": {
      const name = instruction.kind.toUpperCase();
      const pairs = instruction.pairs.map(([key, value]) => [needed(word(key), `${name} names can not be blank`), word(value)] as const);
      const history = `${name} ${pairs.map(([key, value]) => `${key}=${value}`).join(" ")}`;
      return made(instruction.kind === "env" ? withEnv(config, pairs) : { Labels: sortedMap({ ...config.Labels, ...Object.fromEntries(pairs) }) }, history);
    }
    case "workdir": {
      const path = joinPath(config.WorkingDir || "/", needed(word(instruction.value), "WORKDIR can not be empty"));
      return made({ WorkingDir: path }, `WORKDIR ${path}`);
    }
    case "expose": {
      const ports = exposedPorts(instruction.items.flatMap((item) => expandWords(item, expansion)));
      return made({ ExposedPorts: sortedMap({ ...config.ExposedPorts, ...Object.fromEntries(ports.map((port) => [port, {}])) }) }, `EXPOSE ${ports.map((port) => port.replace(/\/tcp$/, "")).join(" ")}`);
    }
    case "volume": {
      const paths = instruction.items.map((item) => needed(word(item), "VOLUME specified can not be an empty string"));
      return made({ Volumes: sortedMap({ ...config.Volumes, ...Object.fromEntries(paths.map((path) => [path, {}])) }) }, `VOLUME [${paths.join(" ")}]`);
    }
    case "user": { const value = word(instruction.value); return made({ User: value }, `USER ${value}`); }
    case "stopsignal": { const value = word(instruction.value); signalNumber(value); return made({ StopSignal: value }, `STOPSIGNAL ${value}`); }
    case "shell": return made({ Shell: instruction.argv }, `SHELL [${instruction.argv.join(" ")}]`);
    case "onbuild": return made({ OnBuild: [...(config.OnBuild ?? []), instruction.trigger] }, `ONBUILD ${instruction.trigger}`);
    case "healthcheck": return made(withHealth(config, instruction.health), `HEALTHCHECK ${JSON.stringify(instruction.health.test)}`);
    default: return undefined;
  }
}
