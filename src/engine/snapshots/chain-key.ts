import { createHash } from "node:crypto";
import { SwarmError } from "../../lib/index.js";

/** A name for all layers of a chain together; short, because mount options are limited to one page. */
export const keyOf = (chain: readonly string[]): string => createHash("sha256").update(chain.join(" ")).digest("hex").slice(0, 24);

export function topOf(chain: readonly string[]): string {
  const top = chain.at(-1);
  if (top === undefined) throw new SwarmError("INVALID_ARGUMENT", "a layer's chain names at least the layer");
  return top;
}
