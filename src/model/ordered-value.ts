/**
 * What `<` and `>` compare in constraints: numbers ("8", "-1.5"), sizes ("16g", "512 MiB": powers of 1024) and versions ("v6.8", "5.15.0-91-generic").
 * One text may be read as more than one of them; compareValues decides by both texts together.
 */

/**
 * Negative when a is below b, 0 when they are equal, undefined when they cannot be compared. As numbers or sizes when both are, unless
 * one is marked as a version by a leading "v", or `areVersions` says so: 9.10 is below 9.9 as a number and above it as a version.
 */
export function compareValues(a: string, b: string, areVersions = false): number | undefined {
  if (!areVersions && !/^v\d/i.test(a) && !/^v\d/i.test(b)) {
    const x = parseAmount(a), y = parseAmount(b);
    if (x !== undefined && y !== undefined) return x - y;
    // 16g is no version 16 with a suffix.
    if (isSize(a) || isSize(b)) return undefined;
  }
  const x = parseVersion(a), y = parseVersion(b);
  return x && y ? compareVersions(x, y) : undefined;
}

/** A number with a unit: it can be no version. */
export const isSize = (text: string): boolean => parseAmount(text) !== undefined && /[a-z]/i.test(text);

export const isOrderedValue = (text: string): boolean => parseAmount(text) !== undefined || parseVersion(text) !== undefined;

const units: Readonly<Record<string, number>> = { "": 1, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40, p: 2 ** 50 };

function parseAmount(text: string): number | undefined {
  const match = /^([+-]?\d{1,18}(?:\.\d{1,18})?)\s*([bkmgtp]?)(?:i?b)?$/i.exec(text);
  return match ? Number(match[1]) * units[match[2]!.toLowerCase()]! : undefined;
}

interface Version { readonly numbers: readonly number[]; readonly stage: number; readonly rest: readonly (number | string)[] }

/** Numbers with dots, then what follows a "-", "_", "~" or letter; what follows a "+" is build metadata and does not count (semver.org §10). */
function parseVersion(text: string): Version | undefined {
  const match = /^v?(\d{1,15}(?:\.\d{1,15}){0,9})(?:[-_~.]?([a-z0-9._~-]*))?(?:\+.*)?$/i.exec(text);
  if (!match) return undefined;
  const rest = (match[2] ?? "").toLowerCase().split(/[-_~.]/).filter((part) => part !== "");
  // Semver counts every suffix as a stage before the release; kernels and distributions count theirs as revisions after it. These words tell.
  const isBefore = /^(?:alpha|beta|rc|pre|preview|dev|snapshot|nightly|canary)\d*$/.test(rest[0] ?? "");
  return {
    numbers: match[1]!.split(".").map(Number),
    stage: isBefore ? -1 : rest.length > 0 ? 1 : 0,
    rest: rest.flatMap((part) => part.match(/\d{1,15}|[^\d]+/g) ?? []).map((part) => (/^\d/.test(part) ? Number(part) : part)),
  };
}

function compareVersions(a: Version, b: Version): number {
  for (let i = 0; i < Math.max(a.numbers.length, b.numbers.length); i++) {
    const difference = (a.numbers[i] ?? 0) - (b.numbers[i] ?? 0);
    if (difference !== 0) return difference;
  }
  if (a.stage !== b.stage) return a.stage - b.stage;
  for (let i = 0; i < Math.min(a.rest.length, b.rest.length); i++) {
    const x = a.rest[i]!, y = b.rest[i]!;
    if (x === y) continue;
    // Numbers before words, as in semver §11.4.3.
    if (typeof x === "number") return typeof y === "number" ? x - y : -1;
    return typeof y === "number" ? 1 : x < y ? -1 : 1;
  }
  return a.rest.length - b.rest.length;
}
