import type { HealthConfig } from "../../model/index.js";
import type { ContainerConfig } from "./containers.js";

/** Images on this host: names, pulls and pushes, archives. References are taken as people write them and normalized inside. */
export interface ImageStore {
  list(): Promise<Image[]>;
  /** The image that a reference, an id or an id's beginning names, if it is here. */
  get(reference: string): Promise<Image | undefined>;
  /** Concurrent pulls of one reference share the work. */
  pull(reference: string, options?: PullOptions): Promise<Image>;
  /** A docker-save or OCI-layout tar, plain or compressed. */
  load(tar: AsyncIterable<Uint8Array>): Promise<Image[]>;
  /** A root filesystem tar becomes a one-layer image. `changes`: Dockerfile instructions (CMD, ENTRYPOINT, ENV, WORKDIR, USER, EXPOSE, LABEL, …). No reference: an image without a name. */
  import(tar: AsyncIterable<Uint8Array>, options: { reference: string; changes?: readonly string[]; message?: string }): Promise<Image>;
  remove(reference: string, options?: { force?: boolean; noPrune?: boolean }): Promise<{ untagged: string[]; deleted: string[] }>;
}

/** What the Docker API offers beyond what tasks need. */
export interface Images extends ImageStore {
  /** Without intermediate images (no name, and others were built on them), unless isAll. */
  list(options?: { isAll?: boolean }): Promise<Image[]>;
  pull(reference: string, options?: PullOptions): Promise<PulledImage>;
  import(tar: AsyncIterable<Uint8Array>, options: { reference: string; changes?: readonly string[]; message?: string; platform?: string }): Promise<Image>;
  push(reference: string, options?: PullOptions): Promise<{ digest: string; sizeBytes: number; tag: string }>;
  tag(source: string, target: string): Promise<void>;
  history(reference: string): Promise<HistoryEntry[]>;
  /** A tar that both `docker load` and OCI tools read; ids and names, names keep their tags. */
  save(references: readonly string[]): AsyncIterable<Uint8Array>;
  /** Everything about one image, its raw config JSON included. NOT_FOUND when it is not here. */
  inspect(reference: string): Promise<ImageDetails>;
  /** Images that nothing uses: without names, or with isAll all that no container was made from. */
  prune(options: { isAll?: boolean; untilMs?: number; labels?: readonly LabelFilter[]; }): Promise<{ untagged: string[]; deleted: string[]; freedBytes: number }>;
  /** Digest and platforms of what a registry has under this name, without pulling it. */
  resolve(reference: string, options?: PullOptions): Promise<{ digest: string; mediaType: string; sizeBytes: number; platforms: readonly { os: string; architecture: string; variant?: string }[] }>;
  /** What a registry has of a repository, each with its own tag: "docker.io/library/busybox:1.36". NOT_FOUND when it has none. */
  tagged(repository: string, options?: PullOptions): Promise<string[]>;
  /** Checks a user name and password (or token) with a registry. */
  login(host: string, credentials: Credentials): Promise<void>;
  /** Bytes on disk of all layers, each counted once; and what each image has to itself. */
  usage(): Promise<{ layersBytes: number; images: readonly { id: string; sharedBytes: number; uniqueBytes: number; containers: number }[] }>;
}

/** `label`, `label=value`; negated for `label!=`. */
export interface LabelFilter { readonly name: string; readonly value?: string; readonly isNegated?: boolean }
export interface Credentials { readonly username: string; readonly password: string; readonly identityToken?: string }

export interface Image {
  readonly id: string;                     // sha256:… of the config
  readonly references: readonly string[];  // normalized: docker.io/library/busybox:latest
  readonly digests: readonly string[];     // name@sha256:… of manifests
  readonly sizeBytes: number;              // unpacked
  readonly createdAtMs: number;
  readonly os: string;
  readonly arch: string;
  readonly config: ImageConfig;
}

/** What a pull brought: the digest that the reference stands for, and whether it stood for something else here before. */
export interface PulledImage extends Image { readonly pulledDigest: string; readonly isNewer: boolean }

export interface ImageDetails extends Image {
  readonly diffIds: readonly string[];
  /** The config blob, parsed: os, architecture, history, config with Docker's names … */
  readonly raw: Readonly<Record<string, unknown>>;
  /** The image that it was built on here, "" if that is not known. */
  readonly parent: string;
  readonly lastTaggedAtMs: number;
  /** Directories (overlay) that hold it; by driver. */
  readonly graphDriver: { readonly name: string; readonly data: Readonly<Record<string, string>> };
}

export interface HistoryEntry {
  readonly id: string;                     // "<missing>" where no image of that state is here
  readonly createdAtMs: number;
  readonly createdBy: string;
  readonly comment: string;
  readonly sizeBytes: number;
  readonly tags: readonly string[];        // normalized
}

export interface ImageConfig {
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly env: readonly string[];
  readonly workdir: string;
  readonly user: string;
  readonly stopSignal: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly volumes: readonly string[];
  readonly exposedPorts: readonly string[];
  readonly health: HealthConfig | undefined;
  /** Instructions for images that are built on this one. */
  readonly onBuild?: readonly string[];
  /** SHELL; empty: /bin/sh -c. */
  readonly shell?: readonly string[];
}

export interface PullOptions {
  readonly credentials?: Credentials;
  readonly plainHttp?: boolean;
  /** "linux/amd64"; absent: this host's. */
  readonly platform?: string;
  readonly onProgress?: (progress: PullProgress) => void;
  readonly signal?: AbortSignal;
}
/** id "" is the whole, the tag in "Pulling from NAME"; status: Docker's words ("Pulling fs layer", "Downloading", "Verifying Checksum", "Extracting", "Pull complete", "Already exists", "Pushing", "Pushed", "Layer already exists", …). */
export interface PullProgress { readonly id: string; readonly status: string; readonly currentBytes: number; readonly totalBytes: number }

/** A container's writable layer becomes an image. */
export interface CommitOptions {
  readonly reference?: string;
  readonly author?: string;
  readonly message?: string;
  readonly changes?: readonly string[];
  /** Replaces fields of the container's own settings in the new image's config. */
  readonly config?: Partial<Pick<ContainerConfig, "env" | "labels" | "workdir" | "user" | "stopSignal">> & { readonly cmd?: readonly string[]; readonly entrypoint?: readonly string[]; readonly exposedPorts?: readonly string[]; readonly volumes?: readonly string[] };
  readonly isPaused?: boolean;             // pause the container meanwhile (default)
}
