import { SwarmError } from "../../lib/index.js";

export interface Descriptor { readonly mediaType: string; readonly digest: string; readonly size: number; readonly platform?: Platform; readonly annotations?: Readonly<Record<string, string>> }
export interface Platform { readonly os: string; readonly architecture: string; readonly variant?: string }
export interface Manifest { readonly config: Descriptor; readonly layers: readonly Descriptor[] }
export type ParsedManifest = { readonly kind: "image"; readonly manifest: Manifest } | { readonly kind: "index"; readonly manifests: readonly Descriptor[] };

export const manifestTypes = [
  "application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json",
] as const;

const digestPattern = /^sha256:[0-9a-f]{64}$/;

/** OCI image spec 1.1 and docker's schema 2; everything else is refused with its name. */
export function parseManifest(bytes: Uint8Array, subject: string): ParsedManifest {
  const refuse = (why: string): never => { throw new SwarmError("INVALID_ARGUMENT", `The manifest of image "${subject}" cannot be used: ${why}`); };
  let json: Record<string, unknown>;
  try { json = JSON.parse(Buffer.from(bytes).toString("utf8")) as Record<string, unknown>; } catch { return refuse("it is not JSON"); }
  if (typeof json !== "object" || json === null) return refuse("it is not a JSON object");
  if (json["schemaVersion"] === 1) return refuse("it is in docker's schema 1, which has been withdrawn; push the image again with a current tool");
  const descriptor = (value: unknown, what: string): Descriptor => {
    const d = value as Descriptor | undefined;
    if (!d || typeof d.digest !== "string" || !digestPattern.test(d.digest) || !Number.isSafeInteger(d.size) || d.size < 0) return refuse(`${what} is malformed`);
    return d;
  };
  if (Array.isArray(json["manifests"])) return { kind: "index", manifests: json["manifests"].map((m, i) => descriptor(m, `entry ${i}`)) };
  if (!Array.isArray(json["layers"]) || !json["config"]) return refuse("it is neither an image manifest nor an index");
  const layers = json["layers"].map((l, i) => descriptor(l, `layer ${i}`));
  return { kind: "image", manifest: { config: descriptor(json["config"], "the config"), layers } };
}

/** The entry of an index that runs here. */
export function choosePlatform(manifests: readonly Descriptor[], wanted: Platform, subject: string): Descriptor {
  const matching = manifests.filter((m) => m.platform?.os === wanted.os && m.platform.architecture === wanted.architecture);
  const best = matching.find((m) => !m.platform?.variant || m.platform.variant === wanted.variant || m.platform.variant === "v8") ?? matching[0] ?? (manifests.length === 1 && !manifests[0]!.platform ? manifests[0] : undefined);
  if (best) return best;
  const offered = manifests.filter((m) => m.platform && m.platform.os !== "unknown").map((m) => `${m.platform!.os}/${m.platform!.architecture}`);
  throw new SwarmError("FAILED_PRECONDITION", `Image "${subject}" does not run on this host: it is made for ${[...new Set(offered)].join(", ") || "no platform at all"}, and this host is ${wanted.os}/${wanted.architecture}`);
}
