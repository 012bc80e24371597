import { SwarmError } from "../../lib/index.js";
import type { LabelFilter } from "../../engine/index.js";

/** A query's `filters`: a JSON map of lists, or (older clients) of maps to true. Names that an endpoint does not know are refused, as Docker does. */
export class Filters {
  private constructor(private readonly values: ReadonlyMap<string, readonly string[]>) {}

  static parse(text: string, known: readonly string[]): Filters {
    if (text.trim() === "") return new Filters(new Map());
    const refuse = (why: string) => new SwarmError("INVALID_ARGUMENT", `invalid filter: ${why}`);
    let json: unknown;
    try { json = JSON.parse(text); } catch { throw refuse("it is not valid JSON"); }
    if (typeof json !== "object" || json === null || Array.isArray(json)) throw refuse("it must be a JSON object of lists");
    const values = new Map<string, string[]>();
    for (const [name, value] of Object.entries(json)) {
      if (!known.includes(name)) throw new SwarmError("INVALID_ARGUMENT", `invalid filter '${name.slice(0, 80)}'; known here: ${known.join(", ")}`);
      if (Array.isArray(value) && value.every((v) => typeof v === "string")) values.set(name, value);
      else if (typeof value === "object" && value !== null && !Array.isArray(value)) values.set(name, Object.entries(value).filter(([, isWanted]) => isWanted !== false).map(([key]) => key));
      else throw refuse(`"${name}" must be a list of texts`);
    }
    return new Filters(values);
  }

  has(name: string): boolean { return this.all(name).length > 0; }
  all(name: string): readonly string[] { return this.values.get(name) ?? []; }

  /** True without such a filter; else when one of its values fits. */
  some(name: string, fits: (value: string) => boolean): boolean { const all = this.all(name); return all.length === 0 || all.some(fits); }

  /** `true`, `1`, `t` …; undefined without the filter. */
  flag(name: string): boolean | undefined {
    const [value] = this.all(name);
    if (value === undefined) return undefined;
    if (["1", "t", "T", "true", "TRUE", "True"].includes(value)) return true;
    if (["0", "f", "F", "false", "FALSE", "False"].includes(value)) return false;
    throw new SwarmError("INVALID_ARGUMENT", `invalid filter '${name}=${value.slice(0, 80)}': it is true or false`);
  }

  /** Every `label` must be there, every `label!` must not. */
  labels(): LabelFilter[] {
    const parse = (text: string, isNegated: boolean): LabelFilter => {
      const at = text.indexOf("=");
      return { name: at < 0 ? text : text.slice(0, at), ...(at < 0 ? {} : { value: text.slice(at + 1) }), ...(isNegated ? { isNegated } : {}) };
    };
    return [...this.all("label").map((text) => parse(text, false)), ...this.all("label!").map((text) => parse(text, true))];
  }
  matchesLabels(labels: Readonly<Record<string, string>>): boolean {
    return this.labels().every(({ name, value, isNegated }) => (Object.hasOwn(labels, name) && (value === undefined || labels[name] === value)) !== Boolean(isNegated));
  }
}
