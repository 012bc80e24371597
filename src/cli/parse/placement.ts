import { SwarmError } from "../../lib/index.js";
import { isConstraintKey, parseConstraint, taintEffects, type Affinity, type MaxPer, type Overcommit, type SoftConstraint, type Taint, type Toleration } from "../../model/index.js";
import { choose, parseKeyValue, parseLabel } from "./key-value.js";
import { parseCount } from "./number.js";

const refusal = (text: string, flag: string, why: string) => new SwarmError("INVALID_ARGUMENT", `Cannot read "${text}" of ${flag}: ${why}.`);

/** A weight at the end: "node.labels.disk==ssd=80" has one, "node.labels.cores==8" and "…>=8" have none. */
const weighted = /^(.*[^=!<>~])=(-?\d{1,9})$/s;

/** What is meant as a weight and is none: it would be a value that no node has. */
const unlikeWeight = /[^=!<>~]=(?:[-+]?[\d.]*%?|[-+]?(?:nan|inf(?:inity)?)|[-+]?\d[\d.]*e[-+]?\d+)$/i;

/** "node.labels.disk==ssd" or, with a weight, "node.labels.disk==ssd=80"; below 0 such nodes are avoided. */
export function parsePreference(text: string, flag: string): SoftConstraint {
  const match = weighted.exec(text);
  if (!match && unlikeWeight.test(text)) throw refusal(text, flag, 'a weight is a whole number from 1 to 100, or from -1 to -100 for nodes to avoid');
  const constraint = (match?.[1] ?? text).trim();
  parseConstraint(constraint);
  const weight = match ? Number(match[2]) : defaultWeight;
  if (weight === 0 || Math.abs(weight) > 100) throw refusal(text, flag, "its weight is 1 to 100, or -1 to -100 for nodes to avoid");
  return { constraint, weight };
}

const defaultWeight = 50;

/** "db", "db:node.labels.zone", "db:node.labels.zone=80". Without a weight it is required. */
export function parseAffinity(text: string, flag: string, anti: boolean): Affinity {
  const [, target = "", weight] = /^([^=]*)(?:=(.*))?$/s.exec(text) ?? [];
  const { service, key } = parseAffinityTarget(target, flag);
  if (weight === undefined) return { service, anti, required: true, weight: 0, key };
  return { service, anti, required: false, weight: parseCount(weight, `${flag} ${target}=`, { min: 1, max: 100 }), key };
}

/** "db" or "db:node.labels.zone", as it is named to be removed. */
export function parseAffinityTarget(text: string, flag: string): { service: string; key: string } {
  const colon = text.indexOf(":");
  const service = (colon < 0 ? text : text.slice(0, colon)).trim();
  const key = colon < 0 ? "node.id" : text.slice(colon + 1).trim();
  if (service === "") throw refusal(text, flag, "it names no service; write SERVICE, SERVICE:KEY or SERVICE:KEY=WEIGHT, such as db:node.labels.zone");
  if (!isConstraintKey(key)) throw refusal(text, flag, `"${key}" is not a key of nodes; use one such as node.id or node.labels.zone`);
  return { service, key };
}

/** "node.labels.zone=2" */
export function parseMaxPer(text: string, flag: string): MaxPer {
  const [key, count] = parseKeyValue(text, flag, "KEY=N, such as node.labels.zone=2");
  if (!isConstraintKey(key)) throw refusal(text, flag, `"${key}" is not a key of nodes; use one such as node.labels.zone`);
  return { key, count: parseCount(count, `${flag} ${key}=`, { min: 1 }) };
}

/** "dedicated" tolerates any value, "dedicated=ml" that one. */
export function parseToleration(text: string, flag: string): Toleration {
  if (text === "" || text.startsWith("=")) throw refusal(text, flag, "it names no taint; write KEY or KEY=VALUE, such as dedicated=ml");
  const [key, value] = parseLabel(text, flag);
  return { key, value };
}

/** "dedicated=ml:no-schedule", "flaky:prefer-no-schedule" */
export function parseTaint(text: string, flag: string): Taint {
  const colon = text.lastIndexOf(":");
  if (colon <= 0) throw refusal(text, flag, `write KEY[=VALUE]:EFFECT, where the effect is ${Object.keys(taintEffects).join(", ")}`);
  const [key, value] = parseLabel(text.slice(0, colon), flag);
  return { key, value, effect: choose(text.slice(colon + 1), `${flag}'s effect`, taintEffects) };
}

/** Whether "KEY" or "KEY:EFFECT" names `taint`. */
export function isTaintNamed({ key, effect }: Taint, text: string, flag: string): boolean {
  const colon = text.lastIndexOf(":");
  return colon < 0 ? key === text : key === text.slice(0, colon) && effect === choose(text.slice(colon + 1), `${flag}'s effect`, taintEffects);
}

/** "cpu=1.5,memory=1.2" for every node, or "node.labels.class==burst:cpu=3" for some. */
export function parseOvercommit(text: string, flag: string): Overcommit {
  const [, constraint = "", factors = ""] = /^(?:(.*):)?([^:]*)$/s.exec(text) ?? [];
  if (constraint.trim() !== "") parseConstraint(constraint);
  const percents = { cpu: 0, memory: 0 };
  for (const field of factors.split(",")) {
    const [key, value] = parseKeyValue(field.trim(), flag, "cpu=FACTOR, memory=FACTOR or both, behind CONSTRAINT: where only some nodes are meant");
    if (key !== "cpu" && key !== "memory") throw refusal(text, flag, `"${key}" cannot be over-committed; write cpu=FACTOR, memory=FACTOR or both`);
    if (percents[key] !== 0) throw refusal(text, flag, `"${key}" is given twice; give it once`);
    const percent = /^\d{1,3}(?:\.\d{1,2})?$/.test(value) ? Math.round(Number(value) * 100) : NaN;
    if (!(percent >= 10 && percent <= 1_000)) throw refusal(text, flag, `the factor "${value}" is not from 0.1 to 10, with two decimals at most; 1 is what a node has`);
    percents[key] = percent;
  }
  return { constraint: constraint.trim(), cpuPercent: percents.cpu || 100, memoryPercent: percents.memory || 100 };
}
