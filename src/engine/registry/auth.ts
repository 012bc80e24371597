import { SwarmError } from "../../lib/index.js";
import type { Credentials, Endpoint } from "./endpoints.js";

export interface Challenge { readonly scheme: "bearer" | "basic"; readonly parameters: Readonly<Record<string, string>> }

/** WWW-Authenticate (RFC 9110 §11.6.1), the first challenge that we can answer. */
export function parseChallenge(header: string | null): Challenge | undefined {
  const found = /(?:^|,\s*)(bearer|basic)\s+(.*)$/i.exec(header ?? "");
  if (!found) return undefined;
  const parameters: Record<string, string> = {};
  for (const [, key = "", quoted, plain] of found[2]!.matchAll(/([a-zA-Z_]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g)) {
    parameters[key.toLowerCase()] = quoted !== undefined ? quoted.replace(/\\(.)/g, "$1") : plain ?? "";
  }
  return { scheme: found[1]!.toLowerCase() as "bearer" | "basic", parameters };
}

/** The Authorization header that answers a challenge, asking the token server if need be (distribution spec: token authentication). */
export async function answerChallenge(challenge: Challenge, endpoint: Endpoint, repository: string, signal: AbortSignal): Promise<string | undefined> {
  if (challenge.scheme === "basic") return endpoint.credentials ? basic(endpoint.credentials) : undefined;
  const realm = challenge.parameters["realm"];
  if (!realm || !URL.canParse(realm)) return undefined;
  const url = new URL(realm);
  // Credentials go nowhere in clear text that the registry itself is not in clear text.
  if (url.protocol !== "https:" && endpoint.base.startsWith("https:")) throw new SwarmError("PERMISSION_DENIED", `Registry ${endpoint.host} names a token server without TLS (${url.origin}); refusing to send it anything`);
  if (challenge.parameters["service"]) url.searchParams.set("service", challenge.parameters["service"]);
  url.searchParams.set("scope", challenge.parameters["scope"] ?? `repository:${repository}:pull`);
  if (endpoint.credentials) url.searchParams.set("account", endpoint.credentials.username);
  const response = await fetch(url, { headers: endpoint.credentials ? { authorization: basic(endpoint.credentials) } : {}, signal });
  if (!response.ok) { await response.body?.cancel(); return undefined; }
  const body = (await response.json()) as { token?: string; access_token?: string };
  const token = body.token ?? body.access_token;
  return token ? `Bearer ${token}` : undefined;
}

const basic = (c: Credentials) => `Basic ${Buffer.from(`${c.username}:${c.password}`).toString("base64")}`;
