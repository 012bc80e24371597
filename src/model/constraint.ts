import { SwarmError } from "../lib/index.js";
import { contains, parseCidr, parseIpv4 } from "./network-address.js";
import type { Node } from "./types.js";

/** One placement constraint: "node.labels.disk==ssd". */
export interface Constraint { readonly key: string; readonly operator: "==" | "!="; readonly value: string }

const plainKeys = ["node.id", "node.hostname", "node.ip", "node.role", "node.platform.os", "node.platform.arch"];
const labelPrefixes = ["node.labels.", "engine.labels."];
const validKeys = `${plainKeys.join(", ")}, node.labels.NAME, engine.labels.NAME`;

/** Throws INVALID_ARGUMENT with a sentence for people. Keys are case-sensitive (label names are), values are not. */
export function parseConstraint(text: string): Constraint {
  const refuse = (why: string) => new SwarmError("INVALID_ARGUMENT", `Cannot use constraint "${text.slice(0, 200)}": ${why}.`);
  const match = /^\s*([^\s=!<>~]+)\s*(==|!=)\s*(.*?)\s*$/s.exec(text);
  if (!match) throw refuse('write it as KEY==VALUE or KEY!=VALUE, such as node.labels.disk==ssd');
  const [, key, operator, value] = match as unknown as [string, string, "==" | "!=", string];
  if (!isConstraintKey(key)) throw refuse(`"${key}" is not a key; use ${validKeys}`);
  if (value === "") throw refuse(`the value after "${operator}" is empty; give one, such as ${key}${operator}VALUE`);
  if (value.length > 255 || /[\u0000-\u001f\u007f]/.test(value)) throw refuse("the value must be at most 255 printable characters");
  if (/^=/.test(value)) throw refuse('write it as KEY==VALUE or KEY!=VALUE, with one operator');
  if (key === "node.ip" && parseAddressRange(value) === undefined) throw refuse(`"${value}" is neither an IPv4 address nor a range such as 10.1.0.0/16`);
  if (key === "node.role" && !["manager", "worker"].includes(value.toLowerCase())) throw refuse(`a node's role is manager or worker, not "${value}"`);
  return { key, operator, value };
}

/** Whether `key` is one that constraints may name; for labels the name must not be empty. */
export function isConstraintKey(key: string): boolean {
  return plainKeys.includes(key) || labelPrefixes.some((prefix) => key.startsWith(prefix) && key.length > prefix.length);
}

export const formatConstraint = (constraint: Constraint): string => `${constraint.key}${constraint.operator}${constraint.value}`;

/**
 * Whether `node` satisfies `constraint`. A label that the node lacks equals nothing, so `!=` holds. What is not known yet (a node that
 * never reported its description or address) satisfies neither operator.
 */
export function matchesConstraint(constraint: Constraint, node: Node): boolean {
  if (constraint.key === "node.ip") {
    const ip = parseIpv4(node.status?.addr ?? "");
    const range = parseAddressRange(constraint.value);
    if (ip === undefined || range === undefined) return false;
    return contains(range, ip) === (constraint.operator === "==");
  }
  const actual = nodeAttribute(node, constraint.key);
  if (actual === undefined) return false;
  const wanted = constraint.key === "node.platform.arch" ? canonicalArch(constraint.value) : constraint.value;
  return (actual.toLowerCase() === wanted.toLowerCase()) === (constraint.operator === "==");
}

/** What constraints and placement preferences read from a node: "" for a label it lacks, undefined for what is not known. */
export function nodeAttribute(node: Node, key: string): string | undefined {
  switch (key) {
    case "node.id": return node.id;
    case "node.hostname": return node.description?.hostname;
    case "node.role": return node.role;
    case "node.ip": return node.status?.addr;
    case "node.platform.os": return node.description?.os;
    case "node.platform.arch": return node.description ? canonicalArch(node.description.arch) : undefined;
  }
  if (key.startsWith("node.labels.")) return labelOf(node.spec?.labels, key.slice("node.labels.".length));
  if (key.startsWith("engine.labels.")) return labelOf(node.description?.engineLabels, key.slice("engine.labels.".length));
  return undefined;
}

// Own properties only: a label named "constructor" is a label like any other.
const labelOf = (labels: Record<string, string> | undefined, name: string): string =>
  labels !== undefined && Object.hasOwn(labels, name) ? labels[name]! : "";

/** The kernel's names for what Go (and so images) call otherwise. */
export function canonicalArch(arch: string): string {
  const lower = arch.toLowerCase();
  if (lower === "x86_64" || lower === "x86-64") return "amd64";
  if (lower === "aarch64") return "arm64";
  return lower;
}

function parseAddressRange(text: string) {
  return parseIpv4(text) === undefined ? parseCidr(text) : parseCidr(`${text}/32`);
}
