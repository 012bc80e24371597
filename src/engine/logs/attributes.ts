import type { ContainerConfig } from "../api/index.js";
import type { AttributeRules } from "./drivers.js";

const maxBytes = 16 * 1024;

type Described = Pick<ContainerConfig, "id" | "name" | "image" | "labels" | "env">;

/** The "attrs" of each json-file record. A JSON object, or "" when there are none. */
export function logAttributes(rules: AttributeRules, config: Described): string {
  const text = JSON.stringify(attributesOf(rules, config));
  return text === "{}" || Buffer.byteLength(text) > maxBytes ? "" : text;
}

/** The same as `docker logs --details` shows them: sorted, and quoted as in a URL. */
export function logDetails(rules: AttributeRules, config: Described): string {
  const quoted = (text: string) => encodeURIComponent(text).replaceAll("%20", "+");
  return Object.entries(attributesOf(rules, config)).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => `${quoted(name)}=${quoted(value)}`).join(",");
}

/** Labels and variables of the container that its log options name, and the tag. */
function attributesOf(rules: AttributeRules, config: Described): Record<string, string> {
  const attributes: Record<string, string> = {};
  const isMeant = (name: string, names: readonly string[], pattern: string) => names.includes(name) || (pattern !== "" && new RegExp(pattern).test(name));
  for (const [name, value] of Object.entries(config.labels)) if (isMeant(name, rules.labels, rules.labelsPattern)) attributes[name] = value;
  for (const variable of config.env) {
    const name = variable.split("=", 1)[0]!;
    if (isMeant(name, rules.env, rules.envPattern)) attributes[name] = variable.slice(name.length + 1);
  }
  if (rules.tag) attributes.tag = tagOf(rules.tag, config);
  return attributes;
}

/** Docker's tag templates, for what they are used for. */
function tagOf(template: string, { id, name, image }: Pick<ContainerConfig, "id" | "name" | "image">): string {
  const values: Record<string, string> = { ID: id.slice(0, 12), FullID: id, Name: name, ImageName: image, ImageID: image, ImageFullID: image, DaemonName: "skein" };
  return template.replaceAll(/\{\{\s*\.(\w+)\s*\}\}/g, (whole, field: string) => values[field] ?? whole);
}
