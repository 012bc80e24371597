import { createHash } from "node:crypto";
import { SwarmError } from "../../lib/index.js";
import type { Credentials } from "../api/index.js";
import type { Endpoint } from "./endpoints.js";
import { readBody, type HttpClient } from "./http.js";

export interface Challenge { readonly scheme: "bearer" | "basic"; readonly parameters: Readonly<Record<string, string>> }

/** WWW-Authenticate (RFC 9110 §11.6.1), the first challenge that we can answer. */
export function parseChallenge(header: string | null | undefined): Challenge | undefined {
  const found = /(?:^|,\s*)(bearer|basic)\s+(.*)$/i.exec(header ?? "");
  if (!found) return undefined;
  const parameters: Record<string, string> = {};
  for (const [, key = "", quoted, plain] of found[2]!.matchAll(/([a-zA-Z_]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g)) {
    parameters[key.toLowerCase()] = quoted !== undefined ? quoted.replace(/\\(.)/g, "$1") : plain ?? "";
  }
  return { scheme: found[1]!.toLowerCase() as "bearer" | "basic", parameters };
}

/** The Authorization header that answers a challenge, asking the token server if need be (distribution spec: token authentication). `scopes`: "repository:a/b:pull". */
export async function answerChallenge(challenge: Challenge, endpoint: Endpoint, scopes: readonly string[], http: HttpClient, signal: AbortSignal): Promise<string | undefined> {
  const { credentials } = endpoint;
  if (challenge.scheme === "basic") return credentials && credentials.username !== "" ? basic(credentials) : undefined;
  const { realm, service, scope } = challenge.parameters;
  if (!realm || !URL.canParse(realm)) return undefined;
  const url = new URL(realm);
  // Credentials go nowhere in clear text that the registry itself is not in clear text.
  if (url.protocol !== "https:" && (url.protocol !== "http:" || endpoint.base.startsWith("https:"))) throw new SwarmError("PERMISSION_DENIED", `Registry ${endpoint.host} names a token server without TLS (${url.origin}); refusing to send it anything`);
  const wanted = [...new Set([...(scope ? scope.split(" ") : []), ...scopes])];
  const caFile = endpoint.caFile;
  let response;
  if (credentials?.identityToken) {
    // An identity token is OAuth2's refresh token (distribution: OAuth2 token authentication).
    const form = new URLSearchParams({ grant_type: "refresh_token", refresh_token: credentials.identityToken, client_id: "skein", ...(service ? { service } : {}), ...(wanted.length > 0 ? { scope: wanted.join(" ") } : {}) });
    response = await http.send({ method: "POST", url, headers: { "content-type": "application/x-www-form-urlencoded" }, body: Buffer.from(form.toString()), caFile, signal });
  } else {
    if (service) url.searchParams.set("service", service);
    for (const each of wanted) url.searchParams.append("scope", each);
    if (credentials) url.searchParams.set("account", credentials.username);
    response = await http.send({ method: "GET", url, headers: credentials ? { authorization: basic(credentials) } : {}, caFile, signal });
  }
  if (response.status >= 500 || response.status === 429) { response.body.destroy(); throw new SwarmError("UNAVAILABLE", `token server ${url.host} answered with HTTP status ${response.status}`); }
  if (response.status !== 200) { response.body.destroy(); return undefined; }
  const text = (await readBody(response, 1 << 20, `the answer of token server ${url.host}`)).toString("utf8");
  let body: { token?: unknown; access_token?: unknown };
  try { body = JSON.parse(text) as typeof body; } catch (error) { throw new SwarmError("FAILED_PRECONDITION", `token server ${url.host} answered with something that is not JSON`, { cause: error }); }
  const token = body.token ?? body.access_token;
  return typeof token === "string" && /^[\x21-\x7e]+$/.test(token) ? `Bearer ${token}` : undefined;
}

/** Tells credentials apart without keeping them. */
export const fingerprint = (credentials: Credentials | undefined): string => credentials ? createHash("sha256").update(JSON.stringify([credentials.username, credentials.password, credentials.identityToken])).digest("hex") : "";

const basic = (c: Credentials) => `Basic ${Buffer.from(`${c.username}:${c.password}`).toString("base64")}`;
