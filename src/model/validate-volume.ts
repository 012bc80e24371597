import { parseConstraint } from "./constraint.js";
import { problemOfContradiction } from "./contradiction.js";
import type { VolumeSpec } from "./types.js";
import { first, firstOf, problemOfChoice, problemOfLabels, type Problem } from "./validate.js";
import { problemOfConstraint } from "./validate-placement.js";

/** In a mount's source: any volume of the group that is free for the task. */
export const groupPrefix = "group:";

const namePattern = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$/;

/** Its name is also that of the volume in each node's engine. */
export function problemOfVolumeSpec(spec: VolumeSpec): Problem {
  return first(
    () => (spec.name === "" ? "it has no name; give one" : namePattern.test(spec.name) ? undefined : 'the name may hold letters, digits, "_", "." and "-", begins with a letter or digit, and has at most 255 characters'),
    () => problemOfLabels(spec.labels),
    () => (spec.driver === "local" ? undefined : `the driver "${spec.driver.slice(0, 60)}" is unknown; use local`),
    () => problemOfOptions(spec.options),
    () => problemOfChoice("availability", spec.availability, ["VOLUME_ACTIVE", "VOLUME_PAUSE", "VOLUME_DRAIN"]),
    () => problemOfChoice("scope", spec.scope, ["SINGLE_NODE", "MULTI_NODE"]),
    () => problemOfChoice("sharing", spec.sharing, ["SHARE_NONE", "SHARE_READ_ONLY", "SHARE_ONE_WRITER", "SHARE_ALL"]),
    () => (spec.group === "" || namePattern.test(spec.group) ? undefined : `"${spec.group.slice(0, 80)}" is no group's name; use letters, digits, "_", "." and "-"`),
    () => firstOf(spec.topology, problemOfConstraint),
    () => problemOfContradiction(spec.topology.map(parseConstraint)),
    () => problemOfScope(spec),
  );
}

/** Those of the engine's local driver, so that what no host could mount is refused here and not by the first task's host. */
function problemOfOptions({ type, device, o, ...others }: Readonly<Record<string, string>>): Problem {
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) return `the option "${unknown.slice(0, 60)}" is not known to driver local; it has type, o and device`;
  if ([type, device, o].some((value) => value?.includes("\0"))) return "an option holds a NUL character; remove it";
  if (!type && !device && !o) return undefined;
  if (!device) return `a device is missing beside ${type ? "type" : "o"}; for a tmpfs write device=tmpfs`;
  return type ? undefined : "a type is missing beside device; for a directory write type=none and o=bind";
}

/** A directory of each host is not one volume: what a task wrote on one node would not be there on the next. */
function problemOfScope({ scope, options }: VolumeSpec): Problem {
  if (scope !== "MULTI_NODE" || options["type"]) return undefined;
  return "a volume of scope multi has to be the same files on every node, and a directory of each host is not; give the options of a shared file system, such as type=nfs, o=addr=HOST and device=:/PATH";
}

/** Of a mount of type cluster. */
export function problemOfClusterSource(source: string, target: string): Problem {
  const name = source.startsWith(groupPrefix) ? source.slice(groupPrefix.length) : source;
  if (source === "") return `the cluster mount at "${target}" has no source; name a volume of the cluster, or group:NAME`;
  return namePattern.test(name) ? undefined : `"${source.slice(0, 80)}" is no volume of the cluster; write a volume's name, or group:NAME`;
}
