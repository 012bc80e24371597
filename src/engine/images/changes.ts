import { SwarmError } from "../../lib/index.js";

/** The `config` part of an image's config, in docker's own field names. */
export interface ConfigJson {
  Entrypoint?: string[]; Cmd?: string[]; Env?: string[]; WorkingDir?: string; User?: string; StopSignal?: string;
  Labels?: Record<string, string>; ExposedPorts?: Record<string, object>; Volumes?: Record<string, object>;
}

/** Dockerfile instructions that only change an image's config: what `image import --change` takes. */
export function applyChanges(changes: readonly string[]): ConfigJson {
  const config: ConfigJson = {};
  for (const change of changes) {
    const [, name = "", rest = ""] = /^\s*([A-Za-z]+)\s+([\s\S]*?)\s*$/.exec(change) ?? [];
    const refuse = (why: string): never => { throw new SwarmError("INVALID_ARGUMENT", `Change "${change.slice(0, 200)}" is not valid: ${why}`); };
    switch (name.toUpperCase()) {
      case "CMD": config.Cmd = commandOf(rest); break;
      case "ENTRYPOINT": config.Entrypoint = commandOf(rest); break;
      case "ENV": for (const [key, value] of pairsOf(rest)) (config.Env ??= []).push(`${key}=${value}`); break;
      case "LABEL": for (const [key, value] of pairsOf(rest)) (config.Labels ??= {})[key] = value; break;
      case "WORKDIR": if (!rest.startsWith("/")) refuse("the directory must be absolute"); config.WorkingDir = rest; break;
      case "USER": config.User = rest; break;
      case "STOPSIGNAL": config.StopSignal = rest; break;
      case "EXPOSE": for (const port of rest.split(/\s+/)) {
        if (!/^\d{1,5}(\/(tcp|udp|sctp))?$/.test(port)) refuse(`"${port}" is not a port`);
        (config.ExposedPorts ??= {})[port.includes("/") ? port : `${port}/tcp`] = {};
      } break;
      case "VOLUME": for (const path of rest.startsWith("[") ? commandOf(rest) : rest.split(/\s+/)) (config.Volumes ??= {})[path] = {}; break;
      default: refuse("known instructions are CMD, ENTRYPOINT, ENV, WORKDIR, USER, EXPOSE, LABEL, VOLUME and STOPSIGNAL");
    }
  }
  return config;
}

/** ["a", "b"] as it is; anything else is a line for the shell. */
function commandOf(text: string): string[] {
  if (text.startsWith("[")) {
    try {
      const parsed: unknown = JSON.parse(text);
      if (Array.isArray(parsed) && parsed.every((p) => typeof p === "string")) return parsed;
    } catch { /* Docker too takes a malformed list for a shell line */ }
  }
  return ["/bin/sh", "-c", text];
}

/** a=b c="d e", and the old form `a b c`. */
function pairsOf(text: string): [string, string][] {
  if (!/^[^\s=]+=/.test(text)) {
    const [, key = text, value = ""] = /^(\S+)\s+([\s\S]*)$/.exec(text) ?? [];
    return [[key, value]];
  }
  return [...text.matchAll(/([^\s=]+)=("(?:[^"\\]|\\.)*"|'[^']*'|(?:[^\s\\]|\\.)*)/g)].map(([, key = "", value = ""]) => [key, value.startsWith('"') ? value.slice(1, -1).replace(/\\(["\\$])/g, "$1") : value.startsWith("'") ? value.slice(1, -1) : value.replace(/\\(.)/g, "$1")]);
}
