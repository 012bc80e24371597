import { SwarmError } from "../../lib/index.js";

/**
 * A JSON object of a request, read field by field. Unknown fields are ignored and null is absent, as in Docker; names match whatever their case.
 * A wrong type is refused with the field's whole name.
 */
export class Fields {
  private constructor(readonly values: Readonly<Record<string, unknown>>, private readonly path: string) {}

  static parse(text: string): Fields {
    if (text.trim() === "") return new Fields({}, "");
    let value: unknown;
    try { value = JSON.parse(text); } catch (error) { throw new SwarmError("INVALID_ARGUMENT", `Cannot read the request's body: it is not valid JSON (${(error as Error).message})`); }
    if (isDeeperThan(depthLimit, value)) throw new SwarmError("INVALID_ARGUMENT", `Cannot read the request's body: it is nested more than ${depthLimit} levels deep`);
    return Fields.of(value, "");
  }

  static of(value: unknown, path: string): Fields {
    if (value === null || value === undefined) return new Fields({}, path);
    if (typeof value !== "object" || Array.isArray(value)) throw wrong(path || "the body", "an object", value);
    return new Fields(value as Record<string, unknown>, path);
  }

  /** As it came: undefined when absent or null. */
  raw(name: string): unknown {
    if (Object.hasOwn(this.values, name)) return this.values[name] ?? undefined;
    const lower = name.toLowerCase();
    const key = Object.keys(this.values).find((k) => k.toLowerCase() === lower);
    return key === undefined ? undefined : this.values[key] ?? undefined;
  }

  has(name: string): boolean { return this.raw(name) !== undefined; }

  text(name: string): string | undefined { return this.#typed(name, "text", (v): v is string => typeof v === "string"); }
  boolean(name: string): boolean | undefined { return this.#typed(name, "true or false", (v): v is boolean => typeof v === "boolean"); }
  integer(name: string): number | undefined { return this.#typed(name, "a whole number", (v): v is number => Number.isSafeInteger(v)); }
  texts(name: string): string[] | undefined { return this.#typed(name, "a list of texts", isTexts); }

  /** A command: a list, or one text. */
  command(name: string): string[] | undefined {
    const value = this.#typed(name, "a list of texts", (v): v is string | string[] => typeof v === "string" || isTexts(v));
    return typeof value === "string" ? [value] : value;
  }

  textMap(name: string): Record<string, string> | undefined {
    const map = this.#map(name);
    if (!map) return undefined;
    for (const [key, value] of Object.entries(map)) if (typeof value !== "string") throw wrong(this.#nameOf(`${name}.${key}`), "text", value);
    return map as Record<string, string>;
  }

  /** The keys of {"80/tcp": {}}. */
  keys(name: string): string[] | undefined { const map = this.#map(name); return map && Object.keys(map); }

  object(name: string): Fields { return Fields.of(this.raw(name), this.#nameOf(name)); }
  objects(name: string): Fields[] {
    const list = this.#typed(name, "a list of objects", (v): v is unknown[] => Array.isArray(v)) ?? [];
    return list.map((value, i) => Fields.of(value, this.#nameOf(`${name}[${i}]`)));
  }
  objectMap(name: string): [string, Fields][] {
    return Object.entries(this.#map(name) ?? {}).map(([key, value]) => [key, Fields.of(value, this.#nameOf(`${name}.${key}`))]);
  }
  /** {"80/tcp": [{…}, …]}. */
  objectLists(name: string): [string, Fields[]][] {
    return Object.entries(this.#map(name) ?? {}).map(([key, value]) => [key, new Fields({ [key]: value }, this.#nameOf(name)).objects(key)]);
  }

  #map(name: string): Record<string, unknown> | undefined {
    return this.#typed(name, "an object", (v): v is Record<string, unknown> => typeof v === "object" && v !== null && !Array.isArray(v));
  }

  #typed<T>(name: string, kind: string, is: (value: unknown) => value is T): T | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    if (!is(value)) throw wrong(this.#nameOf(name), kind, value);
    return value;
  }

  #nameOf(name: string): string { return this.path ? `${this.path}.${name}` : name; }
}

/** JSON.parse takes any depth, JSON.stringify does not: what is kept has to be written again. */
const depthLimit = 100;

function isDeeperThan(levels: number, value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeperThan(levels - 1, inner));
}

const isTexts = (value: unknown): value is string[] => Array.isArray(value) && value.every((v) => typeof v === "string");

function wrong(field: string, kind: string, value: unknown): SwarmError {
  const shown = JSON.stringify(value) ?? "nothing";
  return new SwarmError("INVALID_ARGUMENT", `Cannot read the request's body: ${field} must be ${kind}, not ${shown.length > 80 ? `${shown.slice(0, 80)}…` : shown}`);
}
