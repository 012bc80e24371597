import { SwarmError } from "../../lib/index.js";

/** What an image is called: "busybox" is docker.io/library/busybox:latest (the distribution project's reference grammar). */
export interface Reference {
  readonly host: string;         // docker.io, localhost:5000
  readonly repository: string;   // library/busybox
  readonly tag: string | undefined;
  readonly digest: string | undefined;
  /** host/repository */
  readonly name: string;
  /** The one spelling: name:tag, or name@digest (a digest makes the tag meaningless). */
  readonly normalized: string;
}

const component = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const repositoryPattern = new RegExp(`^${component}(?:/${component})*$`);
const hostPattern = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\.(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?))*(?::[0-9]{1,5})?$|^\[[0-9a-fA-F:]+\](?::[0-9]{1,5})?$/;
const tagPattern = /^\w[\w.-]{0,127}$/;
const digestPattern = /^sha256:[0-9a-f]{64}$/;

export function parseReference(text: string): Reference {
  const refuse = (why: string): never => {
    throw new SwarmError("INVALID_ARGUMENT", `Image reference "${text.slice(0, 300)}" is not valid: ${why}; write it like "busybox", "team/app:1.2" or "registry.example:5000/team/app:1.2"`);
  };
  if (text === "") refuse("it is empty");
  if (/^[0-9a-f]{64}$/.test(text)) refuse("64 hexadecimal digits are an image id, not a name");
  const [beforeDigest = "", digest, ...more] = text.split("@");
  if (more.length > 0) refuse('it holds more than one "@"');
  if (digest !== undefined && !digestPattern.test(digest)) refuse(`"${digest.slice(0, 80)}" is not a digest (sha256: and 64 hexadecimal digits)`);

  const slash = beforeDigest.indexOf("/");
  const first = slash < 0 ? "" : beforeDigest.slice(0, slash);
  const hasHost = first === "localhost" || /[.:A-Z[]/.test(first);
  let host = hasHost ? first : "docker.io";
  if (host === "index.docker.io" || host === "registry-1.docker.io") host = "docker.io";
  if (!hostPattern.test(host)) refuse(`"${host}" is not a registry's host name`);
  const rest = hasHost ? beforeDigest.slice(slash + 1) : beforeDigest;

  const colon = rest.lastIndexOf(":");
  let repository = colon < 0 ? rest : rest.slice(0, colon);
  const tag = colon < 0 ? undefined : rest.slice(colon + 1);
  if (tag !== undefined && !tagPattern.test(tag)) refuse(`"${tag}" is not a tag (up to 128 letters, digits, "_", "." and "-")`);
  if (host === "docker.io" && !repository.includes("/")) repository = `library/${repository}`;
  if (/[A-Z]/.test(repository)) refuse("the name must be in lower case");
  if (!repositoryPattern.test(repository)) refuse(`"${repository.replace(/^library\//, "")}" is not an image name`);
  const name = `${host}/${repository}`;
  if (name.length > 255) refuse("the name is longer than 255 characters");
  const effectiveTag = tag ?? (digest ? undefined : "latest");
  return { host, repository, tag: effectiveTag, digest, name, normalized: digest ? `${name}@${digest}` : `${name}:${effectiveTag}` };
}

/** As people write it: without docker.io/library/. */
export const familiar = (normalized: string): string => normalized.replace(/^docker\.io\/(library\/)?/, "");
