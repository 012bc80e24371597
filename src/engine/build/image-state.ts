import { createHash } from "node:crypto";
import type { LayerBlob } from "../images/record.js";
import type { ConfigJson, HistoryJson } from "./core/image-config.js";

/** The image as it is after a step. */
export interface ImageState {
  readonly config: ConfigJson;
  readonly chain: readonly string[];             // diff ids, bottom first
  readonly layers: readonly LayerBlob[];         // their blobs
  readonly history: readonly HistoryJson[];
  readonly author: string | undefined;
  readonly platform: { readonly os: string; readonly architecture: string; readonly variant?: string };
  readonly created: string;
}

const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
export const withDefaultPath = (config: ConfigJson): ConfigJson => (config.Env?.some((each) => each.startsWith("PATH=")) ? config : { ...config, Env: [...(config.Env ?? []), defaultPath] });

/** The config blob that this state would have as an image: its digest is the image's id. */
export function imageConfigOf(state: ImageState): Record<string, unknown> & { readonly config: ConfigJson } {
  const { platform, config, author, created, history, chain } = state;
  return { ...platform, ...(author ? { author } : {}), config, created, history, rootfs: { type: "layers", diff_ids: chain } };
}

/** "" before anything is there (FROM scratch). */
export function idOf(state: ImageState): string {
  if (state.history.length === 0 && state.chain.length === 0) return "";
  return `sha256:${createHash("sha256").update(JSON.stringify(imageConfigOf(state))).digest("hex")}`;
}

export const shortId = (id: string): string => id.replace(/^sha256:/, "").slice(0, 12);
export const keyOf = (...parts: readonly unknown[]): string => createHash("sha256").update(JSON.stringify(parts)).digest("hex");
