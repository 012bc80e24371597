import { SwarmError } from "../../lib/index.js";
import type { LogDriver } from "../../model/index.js";
import { parseCount, parseSize, parseSwitch } from "./option-values.js";
import type { LogForm } from "./record-scanner.js";

/** How a container's monitor writes its log. */
export interface LogSettings {
  /** none: nothing is written, and nothing can be read. */
  readonly form: LogForm | "none";
  readonly maxSizeBytes: number;           // 0: never rotated
  readonly maxFiles: number;
  readonly isCompressed: boolean;
  /** What each record is to carry beside the line, of the container's own (json-file). */
  readonly attributes: AttributeRules;
}
export interface AttributeRules { readonly labels: readonly string[]; readonly labelsPattern: string; readonly env: readonly string[]; readonly envPattern: string; readonly tag: string }

/** A way to keep containers' output, by the name and the options that `--log-driver` and `--log-opt` take. */
export interface LogPlug {
  readonly name: string;
  /** The options that it takes; others are refused before `settings` is asked. */
  readonly options: readonly string[];
  settings(options: Readonly<Record<string, string>>): LogSettings;
}

const noAttributes: AttributeRules = { labels: [], labelsPattern: "", env: [], envPattern: "", tag: "" };
const describing = ["labels", "labels-regex", "env", "env-regex", "tag"];
const buffering = ["mode", "max-buffer-size"];   // Docker's; our monitor is another process, so a container waits for no disk but its own

const jsonFile: LogPlug = {
  name: "json-file",
  options: ["max-size", "max-file", ...describing, ...buffering],
  settings: (options) => ({
    form: "json", maxSizeBytes: options["max-size"] === undefined ? 10 * 1024 * 1024 : parseSize("max-size", options["max-size"]),
    maxFiles: options["max-file"] === undefined ? 3 : parseCount("max-file", options["max-file"]), isCompressed: false,
    attributes: { labels: listed(options.labels), labelsPattern: pattern("labels-regex", options["labels-regex"]), env: listed(options.env), envPattern: pattern("env-regex", options["env-regex"]), tag: options.tag ?? "" },
  }),
};

const local: LogPlug = {
  name: "local",
  options: ["max-size", "max-file", "compress", ...buffering],
  settings: (options) => ({
    form: "local", maxSizeBytes: options["max-size"] === undefined ? 20 * 1024 * 1024 : parseSize("max-size", options["max-size"]),
    maxFiles: options["max-file"] === undefined ? 5 : parseCount("max-file", options["max-file"]), isCompressed: options.compress === undefined ? true : parseSwitch("compress", options.compress), attributes: noAttributes,
  }),
};

const none: LogPlug = { name: "none", options: [...jsonFile.options, ...local.options], settings: () => ({ form: "none", maxSizeBytes: 0, maxFiles: 1, isCompressed: false, attributes: noAttributes }) };

const plugs = new Map<string, LogPlug>();

/** Before an engine is opened: containers name it from then on. What it returns takes it away again. */
export function registerLogDriver(plug: LogPlug): () => void {
  if (plugs.has(plug.name)) throw new SwarmError("ALREADY_EXISTS", `Cannot register log driver "${plug.name}": there is one of that name`);
  plugs.set(plug.name, plug);
  return () => { plugs.delete(plug.name); };
}
for (const plug of [jsonFile, local, none]) registerLogDriver(plug);

export const logDriverNames = (): string[] => [...plugs.keys()];

/** INVALID_ARGUMENT for an unknown driver, option or value. Without a driver: json-file, 10 MiB × 3. */
export function resolveLogOptions(driver: LogDriver | undefined): LogSettings {
  const name = driver?.name || "json-file";
  const plug = plugs.get(name);
  if (!plug) throw new SwarmError("INVALID_ARGUMENT", `Log driver "${name}" is not known; there is ${inWords(logDriverNames())}`);
  const options = driver?.options ?? {};
  for (const option of Object.keys(options)) if (!plug.options.includes(option)) throw new SwarmError("INVALID_ARGUMENT", `Log option "${option}" is not known; ${name} takes ${inWords(plug.options)}`);
  return plug.settings(options);
}

function listed(text: string | undefined): string[] { return (text ?? "").split(",").map((part) => part.trim()).filter((part) => part !== ""); }

function pattern(option: string, text: string | undefined): string {
  try { new RegExp(text ?? ""); } catch { throw new SwarmError("INVALID_ARGUMENT", `Log option ${option} "${text}" is not a regular expression`); }
  return text ?? "";
}

const inWords = (names: readonly string[]): string => (names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`);
