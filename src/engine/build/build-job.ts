import { KeyedLock, type Clock, type Logger } from "../../lib/index.js";
import type { AttachOptions, BuildRequest, ProcessStreams } from "../api/index.js";
import type { ContainerStore } from "../containers/container-store.js";
import type { BlobStore } from "../content/blob-store.js";
import type { LocalImageStore } from "../images/image-store.js";
import type { Held } from "../images/garbage.js";
import type { ImageRecord, LayerBlob } from "../images/record.js";
import type { Events } from "../api/index.js";
import type { Metadata } from "../metadata.js";
import type { Paths } from "../paths.js";
import type { SnapshotDriver } from "../snapshots/driver.js";
import type { BuildCache } from "./build-cache.js";
import type { CacheMounts } from "./cache-mounts.js";
import type { Dockerfile } from "./core/dockerfile.js";
import type { BuildPlan } from "./core/plan.js";
import type { DirectoryNode } from "./file-tree.js";
import type { ImageState } from "./image-state.js";
import type { BuildOutputs } from "./output.js";
import type { ScratchRoots } from "./scratch-roots.js";

/** What the builder needs of the engine. */
export interface BuildParts {
  readonly images: LocalImageStore;
  readonly containers: ContainerStore;
  readonly layers: SnapshotDriver;
  readonly blobs: BlobStore;
  readonly metadata: Metadata;
  readonly events: Events;
  readonly paths: Paths;
  readonly log: Logger;
  readonly clock: Clock;
  readonly attach: (id: string, options: AttachOptions) => Promise<ProcessStreams>;
}

/** One run of a Dockerfile, as its stages and steps see it. */
export interface BuildJob {
  readonly parts: BuildParts;
  readonly request: BuildRequest;
  readonly signal: AbortSignal;
  readonly dockerfile: Dockerfile;
  readonly plan: BuildPlan;
  readonly context: DirectoryNode;
  /** Private, deleted with the job: contents of the context and downloads, … */
  readonly directory: string;
  /** … and what must not be on a disk. */
  readonly volatileDirectory: string;
  readonly cache: BuildCache;
  readonly stepLock: KeyedLock;
  readonly cacheMounts: CacheMounts;
  readonly roots: ScratchRoots;
  readonly outputs: BuildOutputs;
  /** Images that a step's container starts from, by state id: they are in no store. */
  readonly stateImages: Map<string, ImageRecord>;
  readonly held: HeldByJob;
  /** A stage's last state. */
  stage(index: number): Promise<ImageState>;
  /** An image as a place to copy from or to build on. */
  image(reference: string, platform: string | undefined, onStatus: (id: string, status: string, currentBytes: number, totalBytes: number) => void): Promise<ImageState & { readonly triggers: readonly string[] }>;
  /** --cache-from, as far as they are here. */
  readonly cacheImages: readonly ImageState[];
  /** Of everything at a path of the context. */
  contextDigest(path: string): Promise<string>;
  /** At most as many commands at once as there are processors. */
  readonly turn: <T>(work: () => Promise<T>) => Promise<T>;
  /** Build args that an ARG asked for. */
  readonly consumedArgs: Set<string>;
}

/** Layers that a running build relies on, before an image or the cache has them. */
export class HeldByJob {
  #chains: (readonly string[])[] = [];
  #blobs: string[] = [];
  add(state: Pick<ImageState, "chain"> & { readonly layers: readonly LayerBlob[] }): void {
    this.#chains.push(state.chain);
    this.#blobs.push(...state.layers.map((layer) => layer.digest));
  }
  held(): Held { return { chains: this.#chains, blobs: this.#blobs }; }
}
