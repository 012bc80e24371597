import { SwarmError } from "../../lib/index.js";
import { Fields } from "./fields.js";

/** linux/arm64/v8, or the object that newer clients send as JSON. */
export interface Platform { readonly os: string; readonly architecture?: string }

const canonical: Readonly<Record<string, string>> = { x86_64: "amd64", aarch64: "arm64" };

export function parsePlatform(text: string): Platform | undefined {
  if (text === "") return undefined;
  const fields = text.startsWith("{") ? Fields.parse(text) : undefined;
  const [os = "", architecture = ""] = fields ? [fields.text("os"), fields.text("architecture")] : text.split("/");
  return { os, ...(architecture ? { architecture: canonical[architecture] ?? architecture } : {}) };
}

/** Refuses an image that is here for another platform: 404, as if it were not here. */
export function checkPlatform(text: string, name: string, image: { readonly os: string; readonly arch: string }): void {
  const platform = parsePlatform(text);
  if (!platform || (platform.os === image.os && (platform.architecture ?? image.arch) === image.arch)) return;
  const wanted = [platform.os, platform.architecture].filter(Boolean).join("/");
  throw new SwarmError("NOT_FOUND", `No such image: image "${name}" was found but its platform (${image.os}/${image.arch}) does not match the specified platform (${wanted.slice(0, 60)})`);
}
