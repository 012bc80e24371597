import { arch as nodeArch } from "node:os";
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
    const isText = (text: unknown): boolean => text === undefined || typeof text === "string";
    const isPlatform = typeof d.platform !== "object" || d.platform === null ? d.platform === undefined || d.platform === null : typeof d.platform.os === "string" && typeof d.platform.architecture === "string" && isText(d.platform.variant);
    const areNotes = typeof d.annotations === "object" ? Object.values(d.annotations ?? {}).every(isText) : d.annotations === undefined;
    if (!isText(d.mediaType) || !isPlatform || !areNotes) return refuse(`${what} is malformed`);
    return d;
  };
  if (Array.isArray(json["manifests"])) return { kind: "index", manifests: json["manifests"].map((m, i) => descriptor(m, `entry ${i}`)) };
  if (!Array.isArray(json["layers"]) || !json["config"]) return refuse("it is neither an image manifest nor an index");
  const layers = json["layers"].map((l, i) => descriptor(l, `layer ${i}`));
  return { kind: "image", manifest: { config: descriptor(json["config"], "the config"), layers } };
}

/** "linux/arm64/v8"; "arm64" alone is Linux. */
export function parsePlatform(text: string): Platform {
  const parts = text.toLowerCase().split("/");
  const [os, architecture, variant] = parts.length === 1 && parts[0] !== "linux" ? ["linux", parts[0]] : parts;
  if (!os || !/^[a-z0-9_.-]+$/.test(os) || (architecture !== undefined && !/^[a-z0-9_.-]+$/.test(architecture)) || parts.length > 3) throw new SwarmError("INVALID_ARGUMENT", `Platform "${text.slice(0, 100)}" is not valid; write it like linux/amd64 or linux/arm64/v8`);
  const goArch = { x86_64: "amd64", "x86-64": "amd64", aarch64: "arm64", i386: "386", armhf: "arm", armel: "arm" }[architecture ?? ""] ?? architecture ?? hostPlatform().architecture;
  return { os, architecture: goArch, ...(variant ? { variant } : {}) };
}

/** GOARCH names, as images are labelled with. */
export const hostPlatform = (): Platform => ({ os: "linux", architecture: { x64: "amd64", ia32: "386" }[nodeArch() as string] ?? nodeArch() });

/** The entry of an index that runs here. */
export function choosePlatform(manifests: readonly Descriptor[], wanted: Platform, subject: string, isHost = true): Descriptor {
  const matching = manifests.filter((m) => m.platform?.os === wanted.os && m.platform.architecture === wanted.architecture);
  const exact = wanted.variant === undefined ? undefined : matching.find((m) => m.platform?.variant === wanted.variant);
  const best = exact ?? matching.find((m) => !m.platform?.variant || m.platform.variant === "v8") ?? matching[0] ?? (manifests.length === 1 && !manifests[0]!.platform ? manifests[0] : undefined);
  if (best) return best;
  const named = ({ os, architecture, variant }: Platform) => `${os}/${architecture}${variant ? `/${variant}` : ""}`;
  const offered = manifests.filter((m) => m.platform && m.platform.os !== "unknown").map((m) => named(m.platform!));
  if (!isHost) throw new SwarmError("NOT_FOUND", `Image "${subject}" is not there for platform ${named(wanted)}: it is made for ${[...new Set(offered)].join(", ") || "no platform at all"}`);
  throw new SwarmError("FAILED_PRECONDITION", `Image "${subject}" does not run on this host: it is made for ${[...new Set(offered)].join(", ") || "no platform at all"}, and this host is ${wanted.os}/${wanted.architecture}`);
}
