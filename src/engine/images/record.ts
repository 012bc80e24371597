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
  readonly sizeBytes: number;
  readonly createdAtMs: number;
  readonly os: string;
  readonly arch: string;
  readonly config: ImageConfig;
}
