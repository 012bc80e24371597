import { SwarmError } from "../lib/index.js";
import { contains, parseCidr, parseIpv4, type Cidr } from "./network-address.js";
import { compareValues, isOrderedValue } from "./ordered-value.js";
import { compileGlob, compileRegularExpression, PatternError, type Pattern } from "./pattern.js";
import type { Node } from "./types.js";

/** "" for a label that the node lacks, undefined for what is not known of it. */
type AttributeReader = (node: Node) => string | undefined;

export type ConstraintOperator = "==" | "!=" | "in" | "not in" | "like" | "not like" | "=~" | "!~" | ">" | ">=" | "<" | "<=" | "exists" | "not exists";

/** One placement constraint: "node.labels.disk==ssd". */
export interface Constraint {
  readonly key: string;
  readonly operator: ConstraintOperator;
  readonly value: string;                        // as written: "a,b" for in (a,b), "" for exists
  // Both compiled once, so that a check of 100,000 nodes parses nothing.
  readonly read: AttributeReader;
  /** Whether a known, non-empty value of the key satisfies it. */
  readonly accepts: (actual: string) => boolean;
}

const plainKeys = ["node.id", "node.hostname", "node.ip", "node.role", "node.platform.os", "node.platform.arch"];
const namePrefixes = ["node.labels.", "engine.labels.", "node.attr."];
const validKeys = `${plainKeys.join(", ")}, node.labels.NAME, engine.labels.NAME or node.attr.NAME`;
const shape = "write it as KEY==VALUE, such as node.labels.disk==ssd, or with !=, in (A,B), not in (A,B), like GLOB, not like GLOB, =~REGEX, !~REGEX, >, >=, <, <=, exists or not exists";

/**
 * Throws INVALID_ARGUMENT with a sentence for people. Names of labels and attributes are case-sensitive; the other keys and all values are
 * not. `==` and `!=` are Swarm's: their values are literal.
 */
export function parseConstraint(text: string): Constraint {
  const refuse: Refuse = (why) => new SwarmError("INVALID_ARGUMENT", `Cannot use constraint "${text.length > maxQuoted ? `${text.slice(0, maxQuoted)}…` : text}": ${why}.`);
  const [, keyText = "", rest = ""] = /^([^\s=!<>~]+)(.*)$/s.exec(text.trim()) ?? [];
  const found = splitOperator(rest);
  if (!found) throw refuse(shape);
  const key = canonicalKey(keyText);
  if (!isConstraintKey(key)) throw refuse(`"${keyText.slice(0, 100)}" is not a key; use ${validKeys}`);
  if (key.length > maxKeyLength) throw refuse(`its key has ${key.length} characters; no label's name is longer than 255`);
  if (secondConstraint.test(found.value)) throw refuse("it holds a second constraint; give each by itself: all that are given must hold");
  return { key, ...found, read: readerOf(key), accepts: compile(key, found.operator, found.value, refuse) };
}

const maxQuoted = 100;
/** The longest name of a label (validate.ts) behind the longest prefix. */
const maxKeyLength = 255 + "engine.labels.".length;
/** What people who know other languages write, and what would be a value that no node ever has. */
const secondConstraint = /\s(?:&&|\|\||and|or)\s+(?:node|engine)\./i;

type Refuse = (why: string) => SwarmError;

function splitOperator(rest: string): { operator: ConstraintOperator; value: string } | undefined {
  const symbol = /^\s*(==|!=|=~|!~|>=|<=|>|<)\s*(.*)$/s.exec(rest);
  if (symbol) return { operator: symbol[1] as ConstraintOperator, value: symbol[2]! };
  const member = /^\s+(not\s+)?in\s*\((.*)\)$/is.exec(rest);
  if (member) return { operator: member[1] ? "not in" : "in", value: member[2]!.split(",").map((each) => each.trim()).join(",") };
  const glob = /^\s+(not\s+)?like\s+(.*)$/is.exec(rest);
  if (glob) return { operator: glob[1] ? "not like" : "like", value: glob[2]! };
  const presence = /^\s+(not\s+|!\s*)?exists$/i.exec(rest);
  return presence ? { operator: presence[1] ? "not exists" : "exists", value: "" } : undefined;
}

/** Whether `key` is one that constraints may name; for labels and attributes the name must not be empty. */
export function isConstraintKey(key: string): boolean {
  return plainKeys.includes(key) || namePrefixes.some((prefix) => key.startsWith(prefix) && key.length > prefix.length);
}

/** "Node.Role" → "node.role", "NODE.LABELS.Disk" → "node.labels.Disk". */
function canonicalKey(key: string): string {
  const lower = key.toLowerCase();
  if (plainKeys.includes(lower)) return lower;
  const prefix = namePrefixes.find((each) => lower.startsWith(each));
  return prefix === undefined ? key : prefix + key.slice(prefix.length);
}

/** The form that is read again as the same constraint. */
export function formatConstraint({ key, operator, value }: Constraint): string {
  switch (operator) {
    case "in": case "not in": return `${key} ${operator} (${value})`;
    case "like": case "not like": return `${key} ${operator} ${value}`;
    case "exists": case "not exists": return `${key} ${operator}`;
    default: return `${key}${operator}${value}`;
  }
}

/**
 * Whether `node` satisfies `constraint`. A label or attribute that the node lacks equals nothing, so the negative operators hold and the
 * others do not. What is not known yet (a node that never reported its description or address) satisfies no operator at all.
 */
export function matchesConstraint(constraint: Constraint, node: Node): boolean {
  const actual = constraint.read(node);
  if (actual === undefined || (constraint.key === "node.ip" && parseIpv4(actual) === undefined)) return false;
  switch (constraint.operator) {
    case "exists": return actual !== "" || isNamed(node, constraint.key);
    case "not exists": return actual === "" && !isNamed(node, constraint.key);
    default: return actual === "" ? isNegative(constraint.operator) : constraint.accepts(actual);
  }
}

/** A node that lacks the key satisfies it. */
export const isNegative = (operator: ConstraintOperator): boolean => operator === "!=" || operator === "!~" || operator.startsWith("not ");

/** What constraints and placement preferences read from a node: "" for a label it lacks, undefined for what is not known. */
export const nodeAttribute = (node: Node, key: string): string | undefined => readerOf(key)(node);

function readerOf(key: string): AttributeReader {
  switch (key) {
    case "node.id": return (node) => node.id;
    case "node.hostname": return (node) => node.description?.hostname;
    case "node.role": return (node) => node.role;
    case "node.ip": return (node) => node.status?.addr;
    case "node.platform.os": return (node) => node.description?.os;
    case "node.platform.arch": return (node) => (node.description ? canonicalArch(node.description.arch) : undefined);
  }
  const name = key.slice(namePrefixes.find((prefix) => key.startsWith(prefix))?.length);
  if (key.startsWith("node.labels.")) return (node) => labelOf(node.spec?.labels, name);
  if (key.startsWith("engine.labels.")) return (node) => labelOf(node.description?.engineLabels, name);
  if (key.startsWith("node.attr.")) return (node) => (node.description ? labelOf(node.description.attributes, name) : undefined);
  return () => undefined;
}

// Own properties only: a label named "constructor" is a label like any other.
const labelOf = (labels: Record<string, string> | undefined, name: string): string =>
  labels !== undefined && Object.hasOwn(labels, name) ? labels[name]! : "";

/** A label without a value is there all the same. */
function isNamed(node: Node, key: string): boolean {
  if (key.startsWith("node.labels.")) return Object.hasOwn(node.spec?.labels ?? {}, key.slice("node.labels.".length));
  if (key.startsWith("engine.labels.")) return Object.hasOwn(node.description?.engineLabels ?? {}, key.slice("engine.labels.".length));
  return key.startsWith("node.attr.") && Object.hasOwn(node.description?.attributes ?? {}, key.slice("node.attr.".length));
}

/** The kernel's names for what Go (and so images) call otherwise. */
export function canonicalArch(arch: string): string {
  const lower = arch.toLowerCase();
  if (lower === "x86_64" || lower === "x86-64") return "amd64";
  if (lower === "aarch64") return "arm64";
  return lower;
}

// ---- compilation -------------------------------------------------------------------------------------------------

const maxValueLength = 255;
const maxMembers = 100;

function compile(key: string, operator: ConstraintOperator, value: string, refuse: Refuse): (actual: string) => boolean {
  if (operator === "exists" || operator === "not exists") return () => operator === "exists";
  // A list may be long; its members are as short as any value.
  if (value.length > (operator.endsWith("in") ? maxMembers * (maxValueLength + 1) : maxValueLength) || /[\u0000-\u001f\u007f]/.test(value)) throw refuse("the value must be at most 255 printable characters");
  const isWanted = !isNegative(operator);
  switch (operator) {
    case "==": case "!=": {
      if (value === "") throw refuse(`the value after "${operator}" is empty; give one, such as ${key}${operator}VALUE`);
      if (value.startsWith("=")) throw refuse("write it as KEY==VALUE or KEY!=VALUE, with one operator");
      const equals = equality(key, value, refuse);
      return (actual) => equals(actual) === isWanted;
    }
    case "in": case "not in": {
      const members = value.split(",");
      if (members.length > maxMembers) throw refuse(`${members.length} values are more than the limit of ${maxMembers}`);
      const unfit = members.find((member) => member === "" || /[()]/.test(member) || member.length > maxValueLength);
      if (unfit !== undefined) throw refuse(unfit === "" ? `a value in the list is empty; write it as ${key} ${operator} (A,B)` : `"${unfit.slice(0, 60)}" cannot be in a list: a value has at most 255 characters and no parentheses`);
      const checks = members.map((member) => equality(key, member, refuse));
      if (key === "node.ip") return (actual) => checks.some((equals) => equals(actual)) === isWanted;
      const wanted = new Set(members.map((member) => comparable(key, member)));
      return (actual) => wanted.has(comparable(key, actual)) === isWanted;
    }
    case "like": case "not like": {
      if (!/[*?]/.test(value)) throw refuse(`"${value}" holds neither "*" (any characters) nor "?" (any one); use == for a value as it is`);
      const glob = compileGlob(value);
      return remembering((actual) => glob.matches(actual) === isWanted);
    }
    case "=~": case "!~": {
      if (value === "") throw refuse(`the regular expression after "${operator}" is empty; give one, such as ${key}${operator}^nvme`);
      const expression = compileExpression(value, refuse);
      return remembering((actual) => expression.matches(actual) === isWanted);
    }
    default: {
      if (plainKeys.includes(key)) throw refuse(`"${operator}" compares numbers, sizes and versions, and ${key} is none; use a label or an attribute`);
      if (!isOrderedValue(value)) throw refuse(`"${value}" cannot be compared by "${operator}"; write a number, a size such as 16g or a version such as 6.8.0`);
      const areVersions = comparesVersions(key);
      return remembering((actual) => satisfies(operator, compareValues(actual, value, areVersions)));
    }
  }
}

/**
 * Thousands of nodes share a few values of a label or attribute: 100,000 nodes and one kernel version took 260 ms compared one by one, and 10 ms so.
 * What has a value of its own on each node (host names) costs a fifth more.
 */
function remembering(check: (actual: string) => boolean): (actual: string) => boolean {
  const answers = new Map<string, boolean>();
  return (actual) => {
    let answer = answers.get(actual);
    if (answer !== undefined) return answer;
    answer = check(actual);
    if (answers.size >= 256) answers.clear();
    answers.set(actual, answer);
    return answer;
  };
}

function compileExpression(text: string, refuse: Refuse): Pattern {
  try {
    return compileRegularExpression(text);
  } catch (error) {
    throw error instanceof PatternError ? refuse(`the regular expression "${text}" cannot be used: ${error.message}`) : error;
  }
}

/** "node.attr.kernel.version", "node.labels.os-release": 9.10 is a version there, not a number. */
export const comparesVersions = (key: string): boolean => /(?:version|release)$/i.test(key);

function satisfies(operator: ">" | ">=" | "<" | "<=", order: number | undefined): boolean {
  if (order === undefined) return false;
  switch (operator) {
    case ">": return order > 0;
    case ">=": return order >= 0;
    case "<": return order < 0;
    case "<=": return order <= 0;
  }
}

function equality(key: string, value: string, refuse: Refuse): (actual: string) => boolean {
  if (key === "node.ip") {
    const range = parseAddressRange(value);
    if (range === undefined) throw refuse(`"${value}" is neither an IPv4 address nor a range such as 10.1.0.0/16`);
    return (actual) => { const ip = parseIpv4(actual); return ip !== undefined && contains(range, ip); };
  }
  if (key === "node.role" && !["manager", "worker"].includes(value.toLowerCase())) throw refuse(`a node's role is manager or worker, not "${value}"`);
  const wanted = comparable(key, value);
  return (actual) => actual.toLowerCase() === wanted;
}

const comparable = (key: string, value: string): string => (key === "node.platform.arch" ? canonicalArch(value) : value.toLowerCase());

export function parseAddressRange(text: string): Cidr | undefined {
  return parseIpv4(text) === undefined ? parseCidr(text) : parseCidr(`${text}/32`);
}
