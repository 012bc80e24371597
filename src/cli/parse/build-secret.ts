import { readFileSync } from "node:fs";
import { SwarmError, messageOf } from "../../lib/index.js";
import { parseFields } from "./fields.js";

const known = { type: "type", id: "id", source: "src", src: "src", env: "env" };
/** All of them go with the request's head. */
const secretsMaxBytes = 64 * 1024;

/** "id=key,src=FILE", "id=key,env=NAME", or "id=key": the variable of that name, else the file. Answers bytes by id. */
export function readBuildSecrets(texts: readonly string[], environment: Readonly<Record<string, string | undefined>>): Record<string, Buffer> {
  const secrets = Object.fromEntries(texts.map((text) => readOne(text, environment)));
  const bytes = Object.values(secrets).reduce((sum, value) => sum + value.length, 0);
  if (bytes > secretsMaxBytes) throw new SwarmError("INVALID_ARGUMENT", `The secrets of --secret have ${bytes} bytes, more than the ${secretsMaxBytes} that a build takes: give smaller ones.`);
  return secrets;
}

function readOne(text: string, environment: Readonly<Record<string, string | undefined>>): [id: string, value: Buffer] {
  const refuse = (why: string) => new SwarmError("INVALID_ARGUMENT", `Cannot read "${text}" of --secret: ${why}`);
  const fields = parseFields(text, "--secret", known);
  const [id, path, name, type] = [fields.get("id") ?? "", fields.get("src"), fields.get("env"), fields.get("type")];
  if (id === "") throw refuse("it needs an id; write id=NAME,src=FILE.");
  if (type !== undefined && type !== "file" && type !== "env") throw refuse(`there is no type "${type}"; write file or env.`);
  if (path !== undefined && name !== undefined) throw refuse("it has both src and env; give one of them.");
  const variable = name ?? (type === "env" ? path ?? id : path === undefined && type === undefined && environment[id] !== undefined ? id : undefined);
  if (variable !== undefined) {
    const value = environment[variable];
    if (value === undefined) throw refuse(`there is no environment variable "${variable}"; set it, or write src=FILE.`);
    return [id, Buffer.from(value)];
  }
  try { return [id, readFileSync(path ?? id)]; } catch (error) { throw refuse(`${messageOf(error)}; write id=${id},src=FILE or id=${id},env=NAME.`); }
}
