import type { Credentials } from "../../engine/index.js";

/** X-Registry-Auth: base64url JSON. What cannot be read is taken for none, as Docker does for clients that send placeholders. */
export function parseRegistryAuth(header: string): Credentials | undefined {
  return credentialsOf(decode(header));
}

/** X-Registry-Config of a build: one entry a registry. */
export function parseRegistryConfig(header: string): Record<string, Credentials> {
  const all = decode(header);
  if (typeof all !== "object" || all === null) return {};
  return Object.fromEntries(Object.entries(all).flatMap(([host, entry]) => { const found = credentialsOf(entry); return found ? [[registryHost(host), found]] : []; }));
}

/** "https://index.docker.io/v1/" → docker.io. */
export function registryHost(address: string): string {
  const host = address.replace(/^https?:\/\//, "").split("/")[0]!;
  return ["index.docker.io", "registry-1.docker.io", ""].includes(host) ? "docker.io" : host;
}

function decode(header: string): unknown {
  if (header === "") return undefined;
  try { return JSON.parse(Buffer.from(header.replace(/-/g, "+").replace(/_/g, "/"), "base64").toString("utf8")); } catch { return undefined; }
}

function credentialsOf(value: unknown): Credentials | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const entry = value as Record<string, unknown>;
  const text = (name: string) => (typeof entry[name] === "string" ? (entry[name] as string) : "");
  let [username, password] = [text("username"), text("password")];
  if (username === "" && text("auth") !== "") {
    const pair = Buffer.from(text("auth"), "base64").toString("utf8");
    const at = pair.indexOf(":");
    if (at > 0) [username, password] = [pair.slice(0, at), pair.slice(at + 1)];
  }
  const identityToken = text("identitytoken");
  return username === "" && identityToken === "" ? undefined : { username, password, ...(identityToken ? { identityToken } : {}) };
}
