/**
 * What is wrong with a value, as the end of a sentence ("Cannot create service "web": …."), or undefined when nothing is. The API
 * puts the action in front. Checks of single values; whole specs are in validate-service.ts and its neighbours.
 */
export type Problem = string | undefined;

export const first = (...checks: (() => Problem)[]): Problem => {
  for (const check of checks) {
    const problem = check();
    if (problem !== undefined) return problem;
  }
  return undefined;
};

export const firstOf = <T>(items: Iterable<T>, check: (item: T, index: number) => Problem): Problem => {
  let index = 0;
  for (const item of items) {
    const problem = check(item, index++);
    if (problem !== undefined) return problem;
  }
  return undefined;
};

/** Service and network names become DNS labels (RFC 1035: 63 octets). */
export function problemOfName(name: string): Problem {
  if (name === "") return "it has no name; give one";
  if (name.length > 63) return `the name has ${name.length} characters; the limit is 63, because it is a DNS label`;
  if (!/^[a-zA-Z0-9](?:[-_]*[A-Za-z0-9]+)*$/.test(name)) return "the name may hold letters, digits, \"-\" and \"_\", and begins and ends with a letter or digit";
  return undefined;
}

export function problemOfProject(project: string): Problem {
  if (project.toLowerCase() === "none") return '"none" stands for no project; choose another name';
  return /^[a-zA-Z0-9](?:[a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?$/.test(project) ? undefined : `"${project.slice(0, 80)}" is no project's name; use up to 63 letters, digits, "-", "_" and "."`;
}

/** `subject` names the labels: "label", "node label". */
export function problemOfLabels(labels: Readonly<Record<string, string>>, subject = "label"): Problem {
  return firstOf(Object.entries(labels), ([key, value]) => {
    if (key === "") return `a ${subject} has no name; write NAME=VALUE`;
    if (key.length > 255) return `${subject} "${key.slice(0, 40)}…" has a name of ${key.length} characters; the limit is 255`;
    if (/[\s=]/.test(key)) return `${subject} "${key}" has a space or "=" in its name; write NAME=VALUE`;
    if (value.includes("\0")) return `${subject} "${key}" holds a NUL character; remove it`;
    return undefined;
  });
}

const tenYearsMs = 10 * 365 * 24 * 3_600_000;

export function problemOfDuration(subject: string, ms: number): Problem {
  if (!Number.isFinite(ms) || ms < 0) return `the ${subject} is ${ms} ms; it cannot be negative`;
  if (ms > tenYearsMs) return `the ${subject} is longer than ten years; give a shorter one`;
  return undefined;
}

/** A value that this version's API does not know arrives as a number. */
export function problemOfChoice(subject: string, value: string, choices: readonly string[]): Problem {
  return choices.includes(value) ? undefined : `the ${subject} "${value}" is unknown; use ${listed(choices.map((choice) => choice.toLowerCase().replaceAll("_", "-")))}`;
}

/** "a, b or c" */
export const listed = (words: readonly string[]): string => (words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`);

/** "512 KiB", "4 MiB", "1.5 GiB" */
export function bytesText(bytes: number): string {
  const unit = bytes >= 2 ** 30 ? 3 : bytes >= 2 ** 20 ? 2 : bytes >= 2 ** 10 ? 1 : 0;
  const amount = bytes / 2 ** (10 * unit);
  return `${Number.isInteger(amount) ? amount : amount.toFixed(1)} ${[bytes === 1 ? "byte" : "bytes", "KiB", "MiB", "GiB"][unit]}`;
}
