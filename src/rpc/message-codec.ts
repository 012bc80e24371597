import protobuf from "protobufjs";
import { WireReader, WireWriter, malformed } from "./wire.js";

/**
 * One message type, to and from plain objects that are *canonical*: every field present, in the order of the .proto file, with the value that
 * encoding and decoding would give; frozen all the way down. All objects of a type are of one shape, which keeps those who read them fast.
 */
export interface MessageCodec {
  /**
   * The canonical form. Parts that are the same object as in `previous`, which is canonical, are taken over from it. Throws a TypeError for what the
   * type cannot hold. The outermost `openLevels` levels are not frozen.
   */
  canonical(message: object, previous: object | undefined, openLevels: number): object;
  /** Of a canonical message, or of one that lacks some of its fields. Zero values take no bytes. */
  write(writer: WireWriter, message: object): void;
  /** Canonical, as above. Throws DATA_LOSS. */
  read(reader: WireReader, end: number, openLevels: number): object;
}

const codecs = new Map<protobuf.Type, MessageCodec>();

/**
 * Made once for each type, as source text: only an object literal makes objects that V8 lays out in one piece with one hidden class, and
 * loops over a table of fields take three times as long. Nothing but names and numbers of proto/ goes into the text.
 */
export function messageCodec(type: protobuf.Type): MessageCodec {
  const known = codecs.get(type);
  if (known) return known;
  const codec = {} as MessageCodec;
  codecs.set(type, codec);   // first, for a type that contains itself
  const fields = type.fieldsArray.map((field, i) => describe(field.resolve(), i));
  const values: Record<string, unknown> = { ...runtime };
  for (const { name, part } of fields) if (part) values[name] = part;
  return Object.assign(codec, new Function(...Object.keys(values), sourceOf(type, fields))(...Object.values(values)) as MessageCodec);
}

// ---- what generated code calls ---------------------------------------------------------------------------------------

interface EnumNames { readonly numberOf: ReadonlyMap<unknown, number>; readonly nameOf: ReadonlyMap<unknown, string>; readonly first: string }

/** By what a field holds: its wire type, its zero value, and how a value becomes canonical. 2^63 - 1024 is the largest double that an int64 holds. */
const scalars: Readonly<Record<string, { readonly wire: 0 | 1 | 2 | 5; readonly zero: string; readonly canonical: (value: string) => string }>> = {
  string: { wire: 2, zero: '""', canonical: (v) => `(typeof ${v} === "string" ? ${v} : text(${v}))` },
  bool: { wire: 0, zero: "false", canonical: (v) => `Boolean(${v})` },
  uint32: { wire: 0, zero: "0", canonical: (v) => `(${v} >>> 0)` },
  int32: { wire: 0, zero: "0", canonical: (v) => `(${v} | 0)` },
  int64: { wire: 0, zero: "0", canonical: (v) => `whole(${v}, ${-(2 ** 63)}, ${2 ** 63 - 1024})` },
  uint64: { wire: 0, zero: "0", canonical: (v) => `whole(${v}, 0, ${2 ** 64 - 2048})` },
  double: { wire: 1, zero: "0", canonical: (v) => `Number(${v} ?? 0)` },
  float: { wire: 5, zero: "0", canonical: (v) => `Math.fround(${v} ?? 0)` },
  bytes: { wire: 2, zero: "noBytes", canonical: (v) => `bytes(${v})` },
};

const emptyList: readonly unknown[] = Object.freeze([]);
const emptyMap: Readonly<Record<string, unknown>> = Object.freeze({});
const noBytes = Buffer.alloc(0);

const runtime = {
  emptyList, emptyMap, noBytes, malformed,
  freeze: Object.freeze,
  text: (value: unknown): string => (value === undefined || value === null ? "" : String(value)),
  whole(value: unknown, least: number, most: number): number {
    if (Number.isSafeInteger(value) && (value as number) >= least) return value === 0 ? 0 : value as number;   // not -0
    const number = Number(value ?? 0);
    return Math.min(most, Math.max(least, Math.trunc(number))) || 0;
  },
  bytes: (value: Uint8Array | string | null | undefined): Uint8Array => (typeof value === "string" ? Buffer.from(value, "base64") : value ?? noBytes),
  enumName: (names: EnumNames, value: unknown): string | number => {
    const name = names.nameOf.get(value);
    if (name !== undefined) return name;
    return typeof value === "number" ? value | 0 : names.first;
  },
  part(codec: MessageCodec, field: string, value: unknown, previous: object | null | undefined): object | null {
    return value === undefined || value === null ? null : runtime.item(codec, field, value, previous);
  },
  item(codec: MessageCodec, field: string, value: unknown, previous: object | null | undefined): object {
    if (typeof value !== "object" || value === null) throw new TypeError(`${field} is no object`);
    return codec.canonical(value, previous ?? undefined, 0);
  },
  list(canonical: (value: unknown, previous: unknown) => unknown, field: string, value: unknown, previous: readonly unknown[] | undefined): readonly unknown[] {
    if (value === undefined || value === null) return emptyList;
    if (value === previous) return previous as readonly unknown[];
    if (!Array.isArray(value)) throw new TypeError(`${field} is no array`);
    return value.length === 0 ? emptyList : Object.freeze(value.map((item: unknown, i) => canonical(item, previous?.[i])));
  },
  map(canonical: (value: unknown, previous: unknown) => unknown, field: string, value: unknown, previous: Readonly<Record<string, unknown>> | undefined): Readonly<Record<string, unknown>> {
    if (value === undefined || value === null) return emptyMap;
    if (value === previous) return previous as Readonly<Record<string, unknown>>;
    if (typeof value !== "object") throw new TypeError(`${field} is no object`);
    const keys = Object.keys(value);
    if (keys.length === 0) return emptyMap;
    const result: Record<string, unknown> = {};
    for (const key of keys) result[key] = canonical((value as Record<string, unknown>)[key], previous?.[key]);
    return Object.freeze(result);
  },
};

// ---- source text -----------------------------------------------------------------------------------------------------

interface FieldSource {
  readonly field: protobuf.Field;
  /** Of the property, as it is in messages. */
  readonly property: string;
  /** Of the variable that holds `part`: the codec of a message, the names of an enum. */
  readonly name: string;
  readonly part: MessageCodec | EnumNames | undefined;
  readonly kind: "message" | "enum" | "scalar";
  readonly wire: number;
}

function describe(field: protobuf.Field, i: number): FieldSource {
  const { resolvedType } = field;
  const base = { field, property: JSON.stringify(field.name), name: `part${i}` };
  if (field.partOf) throw new Error(`Cannot encode "${field.fullName}": oneof and optional fields are not supported; use a message, which may be absent`);
  if (resolvedType instanceof protobuf.Type && !field.map) return { ...base, part: messageCodec(resolvedType), kind: "message", wire: 2 };
  if (resolvedType instanceof protobuf.Enum) return { ...base, part: enumNames(resolvedType), kind: "enum", wire: 0 };
  const scalar = scalars[field.type];
  if (!scalar || field instanceof protobuf.MapField && field.keyType !== "string") throw new Error(`Cannot encode "${field.fullName}": its type is not supported; see message-codec.ts`);
  return { ...base, part: undefined, kind: "scalar", wire: scalar.wire };
}

function enumNames({ values }: protobuf.Enum): EnumNames {
  const entries = Object.entries(values);
  return {
    numberOf: new Map(entries), nameOf: new Map(entries.flatMap(([name, number]): [unknown, string][] => [[name, name], [number, name]])),
    first: entries.find(([, number]) => number === 0)?.[0] ?? entries[0]![0],
  };
}

const sourceOf = (type: protobuf.Type, fields: readonly FieldSource[]): string => `"use strict";
${fields.map(({ name }) => `let room_${name} = 1;`).join(" ")}
${fields.map(itemSource).join("\n")}
const make = (${fields.map(valueOf).join(", ")}) => ({ ${fields.map((field) => `${field.property}: ${valueOf(field)}`).join(", ")} });
// Its fields may hold anything from the start: V8 would give each object its own copy of a number that is no small integer, such as a time.
make();
return {
  canonical(m, p, openLevels) {
    if (m === p && openLevels <= 0) return p;
    const c = make(
      ${fields.map(canonicalSource).join(",\n      ")}
    );
    return openLevels > 0 ? c : freeze(c);
  },
  write(w, m) {
    let v;
    ${[...fields].sort((a, b) => a.field.id - b.field.id).map(writeSource).join("\n    ")}
  },
  read(r, end, openLevels) {
    ${fields.map((field) => `let ${valueOf(field)} = ${zeroSource(field)};`).join("\n    ")}
    while (r.at < end) {
      const tag = r.uint32();
      switch (tag) {
        ${fields.map(readSource).join("\n        ")}
        default: r.skip(tag & 7);
      }
    }
    if (r.at !== end) throw malformed();
    const c = make(${fields.map((field) => (isMany(field) ? `${valueOf(field)} ?? ${zeroSource(field, true)}` : valueOf(field))).join(", ")});
    ${fields.filter(isMany).map((field) => `if (${valueOf(field)} !== undefined) freeze(${valueOf(field)});`).join("\n    ")}
    return openLevels > 0 ? c : freeze(c);
  },
};`;

const valueOf = ({ name }: FieldSource): string => `value_${name}`;
const tagOf = ({ field }: FieldSource, wire: number): number => ((field.id << 3) | wire) >>> 0;
const isMany = ({ field }: FieldSource): boolean => field.repeated || field.map;

/** A function that makes an element of a list or a map canonical. */
const itemSource = (source: FieldSource): string => (isMany(source) ? `const item_${source.name} = (v, p) => ${oneCanonicalSource(source, "v", "p")};` : "");

const oneCanonicalSource = (source: FieldSource, value: string, previous: string): string => {
  const { field, kind, name } = source;
  return kind === "message" ? `${isMany(source) ? "item" : "part"}(${name}, ${JSON.stringify(field.fullName)}, ${value}, ${previous})`
  : kind === "enum" ? `enumName(${name}, ${value})`
  : scalars[field.type]!.canonical(value);
};

function canonicalSource(source: FieldSource): string {
  const [value, previous] = [`m[${source.property}]`, `p?.[${source.property}]`];
  if (!isMany(source)) return oneCanonicalSource(source, value, previous);
  return `${source.field.map ? "map" : "list"}(item_${source.name}, ${JSON.stringify(source.field.fullName)}, ${value}, ${previous})`;
}

function oneZeroSource({ field, kind, name }: FieldSource): string {
  return kind === "message" ? "null" : kind === "enum" ? `${name}.first` : scalars[field.type]!.zero;
}

/** Of a list or a map: undefined until one element was read. */
const zeroSource = (source: FieldSource, isFinal = false): string =>
  isMany(source) ? (isFinal ? (source.field.map ? "emptyMap" : "emptyList") : "undefined") : oneZeroSource(source);

/** One value with its tag. */
function writeOneSource(source: FieldSource, value: string, fieldTag?: number): string {
  const { field, kind, name, wire } = source;
  const tag = `w.uint32(${fieldTag ?? tagOf(source, wire)});`;
  if (kind === "message") return `${tag} { const at = w.begin(room_${name}); ${name}.write(w, ${value}); room_${name} = w.end(at, room_${name}); }`;
  return `${tag} ${writeValueSource(kind === "enum" ? "enum" : field.type, name, value)}`;
}

function writeValueSource(type: string, name: string, value: string): string {
  if (type === "enum") return `w.int32(${name}.numberOf.get(${value}) ?? ${value});`;
  if (type === "uint64") return `w.int64(${value});`;
  return `w.${type}(${value});`;
}

function writeSource(source: FieldSource): string {
  const { field, kind, name, wire } = source;
  const load = `v = m[${source.property}];`;
  if (field.map) {
    return `${load} if (v) for (const key of Object.keys(v)) { w.uint32(${tagOf(source, 2)}); const entry = w.begin(1); w.uint32(10); w.string(key); ${writeOneSource(source, "v[key]", (2 << 3) | wire)} w.end(entry, 1); }`;
  }
  if (field.repeated) {
    if (wire === 2) return `${load} if (v) for (let i = 0; i < v.length; i++) { ${writeOneSource(source, "v[i]")} }`;
    return `${load} if (v && v.length > 0) { w.uint32(${tagOf(source, 2)}); const list = w.begin(1); for (let i = 0; i < v.length; i++) { ${writeValueSource(kind === "enum" ? "enum" : field.type, name, "v[i]")} } w.end(list, 1); }`;
  }
  if (kind === "enum") return `${load} if (v !== undefined && v !== ${name}.first) { ${writeOneSource(source, "v")} }`;
  if (field.type === "bytes") return `${load} if (v && v.byteLength > 0) { ${writeOneSource(source, "v")} }`;
  return `${load} if (v) { ${writeOneSource(source, "v")} }`;
}

function readValueSource({ field, kind, name }: FieldSource): string {
  if (kind === "message") return `${name}.read(r, r.end(), openLevels - 1)`;
  if (kind === "enum") return `enumName(${name}, r.int32())`;
  return `r.${field.type}()`;
}

function readSource(source: FieldSource): string {
  const { field, wire } = source;
  const value = valueOf(source);
  if (field.map) {
    return `case ${tagOf(source, 2)}: {
          const end = r.end();
          let key = "", item = ${oneZeroSource(source)};
          while (r.at < end) {
            const tag = r.uint32();
            if (tag === 10) key = r.string(); else if (tag === ${(2 << 3) | wire}) item = ${readValueSource(source)}; else r.skip(tag & 7);
          }
          if (r.at !== end) throw malformed();
          (${value} ??= {})[key] = item;
          break;
        }`;
  }
  if (!field.repeated) return `case ${tagOf(source, wire)}: ${value} = ${readValueSource(source)}; break;`;
  const one = `case ${tagOf(source, wire)}: (${value} ??= []).push(${readValueSource(source)}); break;`;
  // Numbers in a row, packed; a reader must take both forms.
  return wire === 2 ? one : `${one}
        case ${tagOf(source, 2)}: { ${value} ??= []; for (const end = r.end(); r.at < end;) ${value}.push(${readValueSource(source)}); break; }`;
}
