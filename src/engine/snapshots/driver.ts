import type { FileChange } from "../api/index.js";

/**
 * Where the files of layers and containers lie. A layer is named by its chain: diff ids, bottom first, itself last. Every driver
 * passes the same conformance suite (driver-conformance.ts). All methods bear repetition: after kill -9 at any point, calling again or opening
 * again leaves nothing half made.
 */
export interface SnapshotDriver {
  readonly name: "overlay" | "vfs" | "fuse-overlayfs" | "btrfs";
  /** For `docker info`. */
  status(): readonly (readonly [string, string])[];

  /** Unpacked bytes of a layer, or undefined if it is not here. */
  layerSize(chain: readonly string[]): Promise<number | undefined>;
  /** Unpacks a layer's tar (plain, gzip or zstd) unless it is here; verifies the diff id; returns the unpacked size. */
  unpack(chain: readonly string[], source: () => AsyncIterable<Uint8Array>, onProgress?: (bytes: number) => void): Promise<number>;
  /** Diff ids of the layers that are here. */
  layers(): Promise<string[]>;
  /** Deletes layers that no image and no container needs: all but those of the chains. */
  keepOnly(chains: readonly (readonly string[])[]): Promise<void>;

  /** Makes the container's writable layer, unless it is there, and mounts its root at `target`. */
  mount(id: string, chain: readonly string[], target: string): Promise<void>;
  unmount(id: string, target: string): Promise<void>;
  /** Deletes the writable layer; it is unmounted. */
  remove(id: string): Promise<void>;
  /** Containers that have a writable layer. */
  writable(): Promise<string[]>;
  writableSize(id: string): Promise<number>;
  /** What the writable layer changes of the layers below. */
  changes(id: string, chain: readonly string[]): Promise<FileChange[]>;
  /** The writable layer as an OCI layer tar: deletions as .wh. entries, owners and modes and xattrs kept, names sorted. */
  diff(id: string, chain: readonly string[]): AsyncIterable<Uint8Array>;
  /**
   * The writable layer becomes a layer (commit, build): stored once as a tar blob by `store` and as unpacked files, without unpacking it
   * again where the driver can. The writable layer stays, unless it is consumed.
   */
  commit(id: string, chain: readonly string[], store: LayerTarStore, options?: CommitOptions): Promise<{ diffId: string; sizeBytes: number }>;
  /** For inspect's GraphDriver. */
  describe(id: string, chain: readonly string[]): Readonly<Record<string, string>>;
  describeImage(chain: readonly string[]): Readonly<Record<string, string>>;
}

/** Is given a layer's tar and returns its digest (sha256 of the tar: the diff id). */
export type LayerTarStore = (tar: AsyncIterable<Uint8Array>) => Promise<{ digest: string; sizeBytes: number }>;

export interface CommitOptions {
  /** The container is unmounted and will be removed next: its files are moved into the layer instead of copied. */
  readonly isConsumed?: boolean;
}
