import type { ContainerConfig } from "../api/index.js";
import type { AttributeRules } from "./drivers.js";

const maxBytes = 16 * 1024;

/** The "attrs" of each json-file record: labels and variables of the container that its log options name, and the tag. A JSON object, or "" when there are none. */
export function logAttributes(rules: AttributeRules, config: Pick<ContainerConfig, "id" | "name" | "image" | "labels" | "env">): string {
  const attributes: Record<string, string> = {};
  const isMeant = (name: string, names: readonly string[], pattern: string) => names.includes(name) || (pattern !== "" && new RegExp(pattern).test(name));
  for (const [name, value] of Object.entries(config.labels)) if (isMeant(name, rules.labels, rules.labelsPattern)) attributes[name] = value;
  for (const variable of config.env) {
    const name = variable.split("=", 1)[0]!;
    if (isMeant(name, rules.env, rules.envPattern)) attributes[name] = variable.slice(name.length + 1);
  }
  if (rules.tag) attributes.tag = tagOf(rules.tag, config);
  const text = JSON.stringify(attributes);
  return text === "{}" || Buffer.byteLength(text) > maxBytes ? "" : text;
}

/** Docker's tag templates, for what they are used for. */
function tagOf(template: string, { id, name, image }: Pick<ContainerConfig, "id" | "name" | "image">): string {
  const values: Record<string, string> = { ID: id.slice(0, 12), FullID: id, Name: name, ImageName: image, ImageID: image, ImageFullID: image, DaemonName: "skein" };
  return template.replaceAll(/\{\{\s*\.(\w+)\s*\}\}/g, (whole, field: string) => values[field] ?? whole);
}
