/** Grammar of the distribution project's references: [host[:port]/]path[:tag][@digest]. */
const host = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*(?::\d{1,5})?$/;
const component = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const tagSyntax = /^\w[\w.-]{0,127}$/;
const digestSyntax = /^sha256:[0-9a-f]{64}$/;

/** Why `text` is no image reference, as the end of a sentence; undefined when it is one. */
export function problemOfImageReference(text: string): string | undefined {
  const quoted = `"${text.slice(0, 200)}"`;
  if (text === "") return "no image is given";
  if (text.length > 1024) return `the image's name has ${text.length} characters; the limit is 1024`;
  const at = text.indexOf("@");
  const named = at < 0 ? text : text.slice(0, at);
  if (at >= 0 && !digestSyntax.test(text.slice(at + 1))) return `image ${quoted} has a malformed digest; write @sha256: and 64 hexadecimal digits`;
  const lastSlash = named.lastIndexOf("/");
  const colon = named.indexOf(":", lastSlash + 1);
  const name = colon < 0 ? named : named.slice(0, colon);
  if (colon >= 0 && !tagSyntax.test(named.slice(colon + 1))) return `image ${quoted} has a malformed tag; a tag is up to 128 letters, digits, ".", "_" and "-"`;
  const parts = name.split("/");
  const isHost = parts.length > 1 && (/[.:]/.test(parts[0]!) || parts[0] === "localhost");
  if (isHost && !host.test(parts[0]!)) return `image ${quoted} names no valid registry host`;
  const path = isHost ? parts.slice(1) : parts;
  if (path.some((part) => /[A-Z]/.test(part))) return `image ${quoted} has upper-case letters in its name; image names are lower-case`;
  if (path.some((part) => !component.test(part))) return `image ${quoted} is not a reference; write [HOST[:PORT]/]NAME[:TAG][@DIGEST], such as registry.example.com/web:1.2`;
  return undefined;
}
