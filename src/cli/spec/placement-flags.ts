import { SwarmError } from "../../lib/index.js";
import { newPlacement, newResources, type Affinity, type GenericResource, type Placement, type ServiceSpec } from "../../model/index.js";
import type { FlagSpec } from "../command.js";
import { flag, inGroup, list, text } from "../flag-spec.js";
import type { Flags } from "../flags.js";
import { choose } from "../parse/key-value.js";
import { parseCount } from "../parse/number.js";
import { parseAffinity, parseAffinityTarget, parseMaxPer, parsePreference, parseToleration } from "../parse/placement.js";
import { parseGenericResource, parseGenericResources, parseGpu } from "../parse/resources.js";
import { parseSize } from "../parse/size.js";

/** Where a service's tasks go and what they need there: the flags of `create` and `update`, and what they make of a spec. */
export const sharedPlacementFlags: readonly FlagSpec[] = [
  ...inGroup("Resources", [
    text("reserve-disk", "SIZE", "Disk set aside on the node for layers, logs and anonymous volumes, such as 10g"),
    text("reserve-pids", "N", "Processes set aside on the node"),
    text("gpu", "N|SHARE[:MODELS]", 'GPUs: a number, or a share of one, of any model or of these: 2, 0.5, 1:A100|G2; "none" for none'),
  ]),
  ...inGroup("Placement", [
    text("placement-strategy", "STRATEGY", "pack (fill nodes up), spread (even them out), balanced (keep what is left usable) or default (the cluster's)"),
    text("replicas-max-per-node", "N", "Most tasks of the service on one node (0: any number)"),
    text("priority", "N", "From -1000 to 1000 (default 0): where nothing else fits, tasks of lower priority make room"),
    flag("gang", "Place all replicas at once, or none"),
    flag("no-move", "Rebalancing leaves its tasks where they are"),
    text("project", "NAME", 'Whose quota its tasks count against; "none" for nobody\'s'),
  ]),
];

const members = [
  ["generic-resource", "KIND=N", "Generic resources of the node, such as fpga=2", "Resources"],
  ["prefer", "CONSTRAINT[=WEIGHT]", "Prefer nodes that satisfy a constraint, by a weight from 1 to 100 (default 50); from -1 to -100 avoid them", "Placement"],
  ["affinity", "SERVICE[:KEY][=WEIGHT]", "Only on nodes that have a task of SERVICE, or one on a node with the same KEY, such as db:node.labels.zone; with a weight from 1 to 100 it is preferred, not required", "Placement"],
  ["anti-affinity", "SERVICE[:KEY][=WEIGHT]", "Only where there is none, in the same form", "Placement"],
  ["max-per", "KEY=N", "Most tasks on the nodes that share a value, such as node.labels.zone=2", "Placement"],
  ["tolerate", "KEY[=VALUE]", "Nodes with that taint may run it; without a value whatever the value", "Placement"],
] as const;

export const createPlacementFlags: readonly FlagSpec[] = members.flatMap(([name, value, help, group]) => inGroup(group, [list(name, value, help)]));

const removedBy: Readonly<Record<string, string>> = { "generic-resource": "KIND", prefer: "CONSTRAINT", affinity: "SERVICE[:KEY]", "anti-affinity": "SERVICE[:KEY]", "max-per": "KEY", tolerate: "KEY[=VALUE]" };

export const updatePlacementFlags: readonly FlagSpec[] = members.flatMap(([name, value, help, group]) =>
  inGroup(group, [list(`${name}-add`, value, `Add or change: ${help.charAt(0).toLowerCase()}${help.slice(1)}`), list(`${name}-rm`, removedBy[name]!, `Remove what --${name} gave`)]));

const strategies = { pack: "PACK", spread: "SPREAD", balanced: "BALANCED", default: "DEFAULT" } as const;

/** `spec` with the flags that create and update share. */
export function applyPlacementFlags(spec: ServiceSpec, flags: Flags): ServiceSpec {
  const read = <T>(name: string, parse: (given: string, at: string) => T, before: T): T => { const given = flags.text(name); return given === undefined ? before : parse(given, `--${name}`); };
  const task = spec.task!;
  const placement = task.placement ?? newPlacement();
  const reservations = task.reservations ?? newResources();
  if (flags.on("gang") && spec.mode === "GLOBAL") throw new SwarmError("INVALID_ARGUMENT", "A global service cannot be a gang: which nodes run it changes as they come and go; leave --gang out.");
  return {
    ...spec,
    priority: read("priority", (given, at) => parseCount(given, at, { min: -1_000, max: 1_000 }), spec.priority),
    gang: flags.has("gang") ? flags.on("gang") : spec.gang,
    noMove: flags.has("no-move") ? flags.on("no-move") : spec.noMove,
    project: read("project", (given) => (given === "none" ? "" : given), spec.project),
    task: {
      ...task,
      reservations: {
        ...reservations,
        diskBytes: read("reserve-disk", parseSize, reservations.diskBytes),
        pids: read("reserve-pids", (given, at) => parseCount(given, at), reservations.pids),
        gpu: read("gpu", parseGpu, reservations.gpu),
      },
      placement: {
        ...placement,
        strategy: read("placement-strategy", (given, at) => choose(given, at, strategies), placement.strategy),
        maxPerNode: read("replicas-max-per-node", (given, at) => parseCount(given, at), placement.maxPerNode),
      },
    },
  };
}

/** What `create` names as whole lists. */
export function createdPlacement(flags: Flags): { generic: GenericResource[]; placement: Pick<Placement, "preferences" | "affinities" | "maxPer" | "tolerations"> } {
  return {
    generic: parseGenericResources(flags.list("generic-resource"), "--generic-resource"),
    placement: {
      preferences: flags.list("prefer").map((given) => parsePreference(given, "--prefer")),
      affinities: [...flags.list("affinity").map((given) => parseAffinity(given, "--affinity", false)), ...flags.list("anti-affinity").map((given) => parseAffinity(given, "--anti-affinity", true))],
      maxPer: flags.list("max-per").map((given) => parseMaxPer(given, "--max-per")),
      tolerations: flags.list("tolerate").map((given) => parseToleration(given, "--tolerate")),
    },
  };
}

/** Services that an update's flags name, to be resolved before it is made. */
export const servicesNamed = (flags: Flags): string[] => ["affinity", "anti-affinity"].flatMap((name) =>
  [...flags.list(`${name}-add`).map((given) => parseAffinity(given, `--${name}-add`, false).service), ...flags.list(`${name}-rm`).map((given) => parseAffinityTarget(given, `--${name}-rm`).service)]);

/** `spec` with members of lists added, changed and removed. `serviceId` makes ids of names, as the spec in the store has them. */
export function updatePlacement(spec: ServiceSpec, flags: Flags, serviceId: (ref: string) => string): ServiceSpec {
  const task = spec.task!;
  const placement = task.placement ?? newPlacement();
  const reservations = task.reservations ?? newResources();
  const changed = <T>(before: readonly T[], name: string, keyOf: (item: T) => string, add: (given: string, at: string) => T, keyOfRemoved: (given: string, at: string) => string): T[] => {
    const added = flags.list(`${name}-add`).map((given) => add(given, `--${name}-add`));
    const removed = flags.list(`${name}-rm`).map((given) => keyOfRemoved(given, `--${name}-rm`));
    for (const [index, key] of removed.entries()) {
      if (before.some((item) => keyOf(item) === key)) continue;
      const there = before.map((item) => `"${keyOf(item)}"`).join(", ");
      throw new SwarmError("INVALID_ARGUMENT", `Cannot remove "${flags.list(`${name}-rm`)[index]}" by --${name}-rm: the service has none of that name${there ? `; it has ${there}` : ""}.`);
    }
    const kept = before.filter((item) => !removed.includes(keyOf(item)) && !added.some((each) => keyOf(each) === keyOf(item)));
    return [...kept, ...new Map(added.map((item) => [keyOf(item), item])).values()];
  };
  const affinityKey = ({ service, key }: { service: string; key: string }) => `${service}:${key}`;
  const affinitiesOf = (name: string, anti: boolean): Affinity[] => changed(
    placement.affinities.filter((affinity) => affinity.anti === anti), name, affinityKey,
    (given, at) => { const affinity = parseAffinity(given, at, anti); return { ...affinity, service: serviceId(affinity.service) }; },
    (given, at) => { const { service, key } = parseAffinityTarget(given, at); return affinityKey({ service: serviceId(service), key }); },
  );
  const tolerationKey = ({ key, value }: { key: string; value: string }) => (value === "" ? key : `${key}=${value}`);
  return {
    ...spec,
    task: {
      ...task,
      reservations: { ...reservations, generic: changed(reservations.generic, "generic-resource", ({ kind }) => kind, parseGenericResource, (given) => given.split("=", 1)[0]!) },
      placement: {
        ...placement,
        preferences: changed(placement.preferences, "prefer", ({ constraint }) => constraint, parsePreference, (given, at) => parsePreference(given, at).constraint),
        affinities: [...affinitiesOf("affinity", false), ...affinitiesOf("anti-affinity", true)],
        maxPer: changed(placement.maxPer, "max-per", ({ key }) => key, parseMaxPer, (given) => given.split("=", 1)[0]!),
        tolerations: changed(placement.tolerations, "tolerate", tolerationKey, parseToleration, (given, at) => tolerationKey(parseToleration(given, at))),
      },
    },
  };
}
