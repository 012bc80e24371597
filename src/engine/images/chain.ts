import { createHash } from "node:crypto";

/** The OCI image spec's chain id: what names a layer together with all below it. */
export function chainIdOf(chain: readonly string[]): string {
  return chain.slice(1).reduce((below, diffId) => `sha256:${createHash("sha256").update(`${below} ${diffId}`).digest("hex")}`, chain[0] ?? "");
}

/** Each layer's chain, bottom first. */
export const chainsOf = (diffIds: readonly string[]): string[][] => diffIds.map((_, i) => diffIds.slice(0, i + 1));
