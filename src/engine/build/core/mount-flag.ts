import { cleanPath } from "./paths.js";
import { didYouMean, parseError } from "./parse-error.js";

/** One `RUN --mount=…`. */
export interface MountFlag {
  readonly type: "bind" | "cache" | "tmpfs" | "secret";
  readonly id: string;
  readonly source: string;
  readonly target: string;
  readonly from: string | undefined;
  readonly isReadOnly: boolean;
  readonly sharing: "shared" | "private" | "locked";
  readonly isRequired: boolean;
  readonly environmentName: string | undefined;    // secret: also (or only) as a variable
  readonly uid: number;
  readonly gid: number;
  readonly mode: number | undefined;
  readonly sizeBytes: number | undefined;
}

const keysOf: Record<MountFlag["type"], readonly string[]> = {
  bind: ["target", "source", "from", "readonly", "readwrite"],
  cache: ["id", "target", "source", "from", "readonly", "readwrite", "sharing", "mode", "uid", "gid"],
  tmpfs: ["target", "size"],
  secret: ["id", "target", "source", "required", "mode", "uid", "gid", "env"],
};
const synonyms: Record<string, string> = { dst: "target", destination: "target", src: "source", ro: "readonly", rw: "readwrite" };

export function parseMount(text: string, line: number): MountFlag {
  const fail = (why: string): never => { throw parseError(line, `--mount=${text.slice(0, 200)}: ${why}`); };
  const fields = new Map<string, string>();
  for (const field of fieldsOf(text)) {
    const at = field.indexOf("=");
    const raw = (at < 0 ? field : field.slice(0, at)).trim().toLowerCase();
    const key = synonyms[raw] ?? raw;
    if (at < 0 && !["readonly", "readwrite", "required"].includes(key)) fail(`invalid field "${field}" must be a key=value pair`);
    fields.set(key, at < 0 ? "true" : field.slice(at + 1));
  }
  const type = fields.get("type") ?? "bind";
  if (type === "ssh") fail("ssh mounts are not supported: no agent is forwarded; use a secret");
  if (!Object.hasOwn(keysOf, type)) fail(`unsupported mount type "${type}"${didYouMean(type, Object.keys(keysOf))}`);
  const known = keysOf[type as MountFlag["type"]];
  for (const key of fields.keys()) if (key !== "type" && !known.includes(key)) fail(`unexpected key '${key}'${didYouMean(key, known)} for mount type "${type}"`);
  const boolean = (key: string): boolean | undefined => {
    const value = fields.get(key);
    if (value !== undefined && !/^(true|false|1|0)$/i.test(value)) fail(`invalid value for ${key}: ${value}`);
    return value === undefined ? undefined : /^(true|1)$/i.test(value);
  };
  const number = (key: string, radix: number): number | undefined => {
    const value = fields.get(key);
    if (value !== undefined && !(radix === 8 ? /^0?[0-7]{1,4}$/ : /^\d{1,10}$/).test(value)) fail(`invalid value for ${key}: ${value}`);
    return value === undefined ? undefined : Number.parseInt(value, radix);
  };
  const sharing = fields.get("sharing") ?? "shared";
  if (sharing !== "shared" && sharing !== "private" && sharing !== "locked") fail(`unsupported sharing value "${sharing}"; use shared, private or locked`);
  const source = fields.get("source");
  const isSecret = type === "secret";
  const environmentName = fields.get("env");
  const id = fields.get("id") ?? (isSecret ? (source ?? fields.get("target") ?? "").split("/").at(-1)! : "");
  if (isSecret && id === "") fail("a secret needs an id or a target");
  const target = fields.get("target") ?? (isSecret ? (environmentName === undefined ? `/run/secrets/${id}` : "") : fail(`a ${type} mount needs a target`));
  if (target === "/" || (target === "" && !isSecret)) fail("the target cannot be the root");
  const size = /^(\d+)([kmg]?)b?$/i.exec(fields.get("size") ?? "0") ?? fail(`invalid value for size: ${fields.get("size")}`);
  const isReadWrite = boolean("readwrite");
  const isReadOnly = boolean("readonly");
  return {
    type: type as MountFlag["type"], target, from: fields.get("from"), source: isSecret ? "" : source ?? "/",
    id: id || cleanPath(target),
    isReadOnly: isReadOnly ?? (isReadWrite === undefined ? type === "bind" : !isReadWrite),
    sharing: sharing as MountFlag["sharing"], isRequired: boolean("required") ?? false, environmentName,
    uid: number("uid", 10) ?? 0, gid: number("gid", 10) ?? 0, mode: number("mode", 8),
    sizeBytes: Number(size[1]) * { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[size[2]!.toLowerCase()]! || undefined,
  };
}

/** Fields of one CSV line: a field with commas stands in double quotes. */
function fieldsOf(text: string): string[] {
  return [...text.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, plain]) => (quoted === undefined ? plain! : quoted.replace(/""/g, '"'))).filter((field) => field !== "");
}
