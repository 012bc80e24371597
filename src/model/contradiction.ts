import { canonicalArch, comparesVersions, formatConstraint, isNegative, parseAddressRange, type Constraint } from "./constraint.js";
import { overlaps } from "./network-address.js";
import { compareValues, isSize } from "./ordered-value.js";
import type { Problem } from "./validate.js";

/**
 * Why no node whatever can satisfy all of `constraints`, as the end of a sentence; undefined where one might. It finds what can be told from
 * the constraints of one key alone: values that exclude each other, bounds that do not meet, presence against absence. Patterns are only
 * tried on the values that are listed.
 */
export function problemOfContradiction(constraints: readonly Constraint[]): Problem {
  const byKey = new Map<string, Constraint[]>();
  for (const constraint of constraints) {
    const ofKey = byKey.get(constraint.key);
    if (ofKey) ofKey.push(constraint);
    else byKey.set(constraint.key, [constraint]);
  }
  for (const ofKey of byKey.values()) {
    const problem = problemOfKey(ofKey);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function problemOfKey(constraints: readonly Constraint[]): Problem {
  for (let i = 0; i < constraints.length; i++) {
    for (let j = i + 1; j < constraints.length; j++) {
      if (areContrary(constraints[i]!, constraints[j]!) || areContrary(constraints[j]!, constraints[i]!)) {
        return `constraints "${formatConstraint(constraints[i]!)}" and "${formatConstraint(constraints[j]!)}" contradict each other: no node can satisfy both; drop one`;
      }
    }
  }
  // No two of them clash, and yet all together may leave nothing: in (a,b), !=a, !=b.
  const listed = constraints.filter((constraint) => valuesOf(constraint) !== undefined);
  const candidates = listed.length > 0 ? valuesOf(listed[0]!) : constraints[0]!.key === "node.role" ? ["manager", "worker"] : undefined;
  if (candidates === undefined || constraints[0]!.key === "node.ip" || candidates.some((value) => constraints.every((each) => allows(each, value)))) return undefined;
  return `constraints ${constraints.map((each) => `"${formatConstraint(each)}"`).join(", ")} contradict each other: no value of ${constraints[0]!.key} satisfies them all; drop one`;
}

/** The values that `==` and `in` leave; undefined for the operators that leave any number of them. */
function valuesOf({ key, operator, value }: Constraint): readonly string[] | undefined {
  const values = operator === "==" ? [value] : operator === "in" ? value.split(",") : undefined;
  return key === "node.platform.arch" ? values?.map(canonicalArch) : values;
}

const isPattern = ({ operator }: Constraint): boolean => ["like", "not like", "=~", "!~"].includes(operator);

const allows = (constraint: Constraint, value: string): boolean =>
  constraint.operator === "exists" || (constraint.operator !== "not exists" && constraint.accepts(value));

/** Whether `b` excludes all that `a` leaves. Asked in both directions. */
function areContrary(a: Constraint, b: Constraint): boolean {
  if (a.operator === "not exists") return !isNegative(b.operator);
  const values = valuesOf(a);
  if (values !== undefined) {
    if (a.key === "node.ip") return areApart(values, b);
    // A pattern is no set to look a value up in; long lists meet it once, when all constraints are taken together.
    return (values.length === 1 || !isPattern(b)) && values.every((value) => !allows(b, value));
  }
  return isLowerBound(a) && isUpperBound(b) && boundsMiss(a, b);
}

/** Ranges either hold each other or have nothing in common. */
function areApart(ranges: readonly string[], b: Constraint): boolean {
  const others = b.value.split(",").flatMap((text) => parseAddressRange(text) ?? []);
  const own = ranges.flatMap((text) => parseAddressRange(text) ?? []);
  switch (b.operator) {
    case "==": case "in": return own.every((range) => others.every((other) => !overlaps(range, other)));
    case "!=": case "not in": return own.every((range) => others.some((other) => overlaps(range, other) && other.prefix <= range.prefix));
    default: return false;
  }
}

const isLowerBound = ({ operator }: Constraint): boolean => operator === ">" || operator === ">=";
const isUpperBound = ({ operator }: Constraint): boolean => operator === "<" || operator === "<=";

function boundsMiss(lower: Constraint, upper: Constraint): boolean {
  const isMiss = (order: number | undefined) => order !== undefined && (order > 0 || (order === 0 && (lower.operator === ">" || upper.operator === "<")));
  const asVersions = compareValues(lower.value, upper.value, true);
  if (comparesVersions(lower.key)) return isMiss(asVersions);
  if (!isMiss(compareValues(lower.value, upper.value))) return false;
  // Above 1.9 and below 1.10 there is no number, and yet a version: both readings must miss where there are two.
  return asVersions === undefined || isSize(lower.value) || isSize(upper.value) || isMiss(asVersions);
}
