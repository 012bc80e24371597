import type { CommandInput } from "../command.js";
import { readSecret } from "../parse/secret.js";
import type { FlagSpec } from "../command.js";
import { jsonLines, type DockerClient } from "./client.js";
import { showProgress, type Progress } from "./progress-view.js";

/** For commands that ask a registry. */
export const credentialFlags: readonly FlagSpec[] = [
  { name: "username", kind: "text", value: "NAME", help: "For a registry that asks" },
  { name: "password-file", kind: "text", value: "FILE", help: "File with the password, - for standard input (a password on the command line can be seen by others)" },
];

/** X-Registry-Auth of the credential flags, where there are any. */
export function registryHeaders({ flags }: Pick<CommandInput, "flags">): Record<string, string> {
  if (!flags.declares("username") || !flags.has("username")) return {};
  const password = flags.has("password-file") ? readSecret(flags.text("password-file")!, "--password-file") : "";
  return { "x-registry-auth": Buffer.from(JSON.stringify({ username: flags.text("username"), password })).toString("base64url") };
}

/** "registry:5000/a/b:tag@sha256:…" → name and tag (or digest), as the API's query takes them. */
export function splitReference(reference: string): { fromImage: string; tag: string } {
  const at = reference.indexOf("@");
  if (at >= 0) return { fromImage: reference.slice(0, at), tag: reference.slice(at + 1) };
  const colon = reference.lastIndexOf(":");
  return colon > reference.lastIndexOf("/") ? { fromImage: reference.slice(0, colon), tag: reference.slice(colon + 1) } : { fromImage: reference, tag: "latest" };
}

export async function pullImage(client: DockerClient, reference: string, input: CommandInput, options: { isQuiet: boolean; platform?: string | undefined }): Promise<void> {
  const response = await client.stream("POST", "/images/create", { query: { ...splitReference(reference), platform: options.platform }, headers: registryHeaders(input), signal: input.signal });
  await showProgress(jsonLines<Progress>(response), input.terminal, options.isQuiet);
}
