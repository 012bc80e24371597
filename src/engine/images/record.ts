import type { ImageConfig } from "../api/index.js";

/** An image as the database keeps it. */
export interface ImageRecord {
  readonly id: string;
  /** name@sha256:… of each manifest that led here. */
  readonly digests: readonly string[];
  /** Every blob that belongs to it: manifests, config, layers. */
  readonly blobs: readonly string[];
  /** Bottom first: digests of the unpacked layers. */
  readonly diffIds: readonly string[];
  /** The blobs that hold these layers, in the same order; records of earlier versions have none (see layersOf). */
  readonly layers?: readonly LayerBlob[];
  /** The manifest that it came with, byte for byte, if it came with one. */
  readonly manifest?: { readonly digest: string; readonly mediaType: string };
  /** The image that it was built on here. */
  readonly parent?: string;
  readonly sizeBytes: number;
  readonly createdAtMs: number;
  readonly lastTaggedAtMs?: number;
  readonly os: string;
  readonly arch: string;
  readonly variant?: string;
  readonly config: ImageConfig;
  /**
   * unwanted: was to be deleted while a container ran from it; goes with its last container.
   * hidden: deleted by force while stopped containers need it: shown nowhere, and goes with the last of them.
   */
  readonly fate?: "unwanted" | "hidden";
}

/** A layer as the content store has it; mediaType as its manifest calls it, "" if no manifest did. */
export interface LayerBlob { readonly digest: string; readonly sizeBytes: number; readonly mediaType: string }

/** Earlier versions listed manifests, the config and then the layers as `blobs` alone. */
export function layersOf(record: ImageRecord): readonly LayerBlob[] {
  return record.layers ?? record.blobs.slice(record.blobs.length - record.diffIds.length).map((digest) => ({ digest, sizeBytes: -1, mediaType: "" }));
}
