import { messageOf } from "../lib/index.js";
import { isConstraintKey, parseConstraint } from "./constraint.js";
import { problemOfContradiction } from "./contradiction.js";
import type { Affinity, MaxPer, Placement, SoftConstraint, Taint, Toleration } from "./types.js";
import { first, firstOf, problemOfChoice, type Problem } from "./validate.js";

const maxEntries = 100;
const maxWeight = 100;
export const maxPriority = 1_000;

/** The words for effects of taints, as people write them. */
export const taintEffects = { "no-schedule": "NO_SCHEDULE", "prefer-no-schedule": "PREFER_NO_SCHEDULE", "no-execute": "NO_EXECUTE" } as const;

export function problemOfPlacement(placement: Placement): Problem {
  return first(
    () => problemOfConstraints(placement.constraints),
    () => problemOfLength("placement preferences", placement.spread),
    () => firstOf(placement.spread, (key) => (isConstraintKey(key) ? undefined : `it cannot be spread over "${key.slice(0, 80)}"; use a key such as node.labels.rack`)),
    () => problemOfChoice("placement strategy", placement.strategy, ["DEFAULT", "PACK", "SPREAD", "BALANCED"]),
    () => firstOf(placement.platforms, (platform) => (/^[a-z0-9]+\/[a-z0-9_]+(?:\/[a-z0-9]+)?$/.test(platform) ? undefined : `"${platform}" is no platform; write OS/ARCH, such as linux/amd64`)),
    () => problemOfPreferences(placement.preferences),
    () => problemOfAffinities(placement.affinities),
    () => problemOfMaxPer(placement.maxPer),
    () => problemOfTolerations(placement.tolerations),
  );
}

function problemOfConstraints(constraints: readonly string[]): Problem {
  return first(
    () => problemOfLength("constraints", constraints),
    () => firstOf(constraints, problemOfConstraint),
    () => problemOfContradiction(constraints.map(parseConstraint)),
  );
}

export function problemOfConstraint(text: string): Problem {
  try {
    parseConstraint(text);
    return undefined;
  } catch (error) {
    const sentence = messageOf(error).replace(/\.$/, "");
    return sentence.charAt(0).toLowerCase() + sentence.slice(1);
  }
}

function problemOfPreferences(preferences: readonly SoftConstraint[]): Problem {
  const seen = new Set<string>();
  return problemOfLength("preferred constraints", preferences) ?? firstOf(preferences, ({ constraint, weight }) => first(
    () => problemOfConstraint(constraint),
    () => (Number.isInteger(weight) && weight !== 0 && Math.abs(weight) <= maxWeight ? undefined : `the weight of preference "${constraint}" is ${weight}; give 1 to ${maxWeight} to prefer such nodes, or -1 to -${maxWeight} to avoid them`),
    () => (seen.has(constraint) ? `preference "${constraint}" is named twice; name it once, with one weight` : undefined),
    () => { seen.add(constraint); return undefined; },
  ));
}

/** "affinity to service "db" within one node.labels.zone" */
export const affinityText = ({ service, anti, required, key }: Affinity, name = service): string =>
  `${required ? "required " : ""}${anti ? "anti-affinity" : "affinity"} to service "${name}"${isOneNode(key) ? "" : ` by ${key}`}`;

const isOneNode = (key: string): boolean => key === "" || key === "node.id";

function problemOfAffinities(affinities: readonly Affinity[]): Problem {
  return problemOfLength("affinities", affinities)
    ?? firstOf(affinities, problemOfAffinity)
    ?? firstOf(affinities, (affinity, index) => firstOf(affinities.slice(index + 1), (other) => problemOfPair(affinity, other)));
}

function problemOfAffinity(affinity: Affinity): Problem {
  const { service, key, required, weight } = affinity;
  if (service === "") return "an affinity names no service; give one";
  if (key !== "" && !isConstraintKey(key)) return `the ${affinityText(affinity)} cannot be by "${key.slice(0, 80)}"; use a key such as node.id or node.labels.zone`;
  if (required) return weight === 0 ? undefined : `the ${affinityText(affinity)} has the weight ${weight}, and what is required has none; leave the weight or "required" out`;
  return Number.isInteger(weight) && weight >= 1 && weight <= maxWeight ? undefined : `the weight of the ${affinityText(affinity)} is ${weight}; give 1 to ${maxWeight}; to keep away, use an anti-affinity`;
}

/** Also asked when refs have become ids, where two names turn out to be one service. */
export function problemOfPair(a: Affinity, b: Affinity): Problem {
  if (a.service !== b.service) return undefined;
  const isSameKey = a.key === b.key || (isOneNode(a.key) && isOneNode(b.key));
  if (a.anti === b.anti) return isSameKey ? `the ${affinityText(a)} is given twice; give it once` : undefined;
  const [near, far] = a.anti ? [b, a] : [a, b];
  // Tasks of one node share the value of every key.
  const isImpossible = near.required && far.required && (isSameKey || isOneNode(near.key));
  return isSameKey || isImpossible ? `the ${affinityText(a)} and the ${affinityText(b)} contradict each other; drop one` : undefined;
}

function problemOfMaxPer(maxPer: readonly MaxPer[]): Problem {
  const seen = new Set<string>();
  return problemOfLength("limits per label", maxPer) ?? firstOf(maxPer, ({ key, count }) => {
    if (!isConstraintKey(key)) return `tasks cannot be counted per "${key.slice(0, 80)}"; use a key such as node.labels.zone`;
    if (!Number.isInteger(count) || count < 1) return `the most tasks per ${key} are ${count}; give 1 or more`;
    if (seen.has(key)) return `the most tasks per ${key} are given twice; give them once`;
    seen.add(key);
    return undefined;
  });
}

function problemOfTolerations(tolerations: readonly Toleration[]): Problem {
  const seen = new Set<string>();
  return problemOfLength("tolerations", tolerations) ?? firstOf(tolerations, ({ key, value }) => {
    const problem = problemOfTaintWords("toleration", key, value);
    if (problem !== undefined) return problem;
    const text = value === "" ? key : `${key}=${value}`;
    if (seen.has(text)) return `toleration "${text}" is given twice; give it once`;
    seen.add(text);
    return undefined;
  });
}

export function problemOfTaints(taints: readonly Taint[]): Problem {
  const seen = new Set<string>();
  return problemOfLength("taints", taints) ?? firstOf(taints, ({ key, value, effect }) => {
    const problem = problemOfTaintWords("taint", key, value) ?? problemOfChoice("effect of a taint", effect, Object.values(taintEffects));
    if (problem !== undefined) return problem;
    if (seen.has(`${key}:${effect}`)) return `taint "${key}" is given twice with one effect; give it once`;
    seen.add(`${key}:${effect}`);
    return undefined;
  });
}

function problemOfTaintWords(subject: string, key: string, value: string): Problem {
  if (!/^[a-zA-Z0-9](?:[a-zA-Z0-9._/-]{0,253}[a-zA-Z0-9])?$/.test(key)) return `"${key.slice(0, 80)}" is no key of a ${subject}; use letters, digits, ".", "_", "-" and "/"`;
  return /^[a-zA-Z0-9._/-]{0,255}$/.test(value) ? undefined : `${subject} "${key}" has the value "${value.slice(0, 80)}"; use up to 255 letters, digits, ".", "_", "-" and "/"`;
}

const problemOfLength = (subject: string, entries: readonly unknown[]): Problem =>
  entries.length > maxEntries ? `${entries.length} ${subject} are more than the limit of ${maxEntries}` : undefined;
