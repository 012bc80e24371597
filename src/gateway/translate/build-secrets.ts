import { SwarmError } from "../../lib/index.js";

/**
 * X-Build-Secrets of a build, an addition of ours: base64 JSON, { id: base64 of its bytes }. In the head like credentials of registries, since the body is the
 * context, and never in the path, which is logged. The head's limit bounds it (128 KiB).
 */
export function parseBuildSecrets(header: string): Record<string, Buffer> {
  if (header === "") return {};
  let all: unknown;
  try { all = JSON.parse(Buffer.from(header, "base64").toString("utf8")); } catch { throw malformed(); }
  if (typeof all !== "object" || all === null || Array.isArray(all)) throw malformed();
  return Object.fromEntries(Object.entries(all).map(([id, value]) => { if (typeof value !== "string") throw malformed(); return [id, Buffer.from(value, "base64")]; }));
}

const malformed = () => new SwarmError("INVALID_ARGUMENT", "Cannot read the request: X-Build-Secrets must be base64 of a JSON object of base64 texts");
