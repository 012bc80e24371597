import type { Credentials } from "./images.js";

/** One run of a Dockerfile. The context is a tar, plain or compressed; it is unpacked within bounds of its own. */
export interface BuildRequest {
  readonly context: AsyncIterable<Uint8Array>;
  /** Fetched instead of `context`: the URL of a tar, of a Dockerfile, or of a git repository (#branch:directory). */
  readonly remote?: string;
  readonly dockerfile: string;             // path in the context, "Dockerfile"
  readonly tags: readonly string[];
  readonly target?: string;
  readonly buildArgs: Readonly<Record<string, string | undefined>>;   // undefined: unset
  readonly labels: Readonly<Record<string, string>>;
  readonly cacheFrom: readonly string[];
  readonly noCache?: boolean;
  readonly pull?: boolean;
  readonly networkMode?: string;
  readonly extraHosts?: readonly string[];
  readonly platform?: string;
  readonly squash?: boolean;
  readonly shmSizeBytes?: number;
  readonly memoryBytes?: number;
  readonly cpuShares?: number;
  readonly cpusetCpus?: string;
  readonly ulimits?: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  readonly isQuiet?: boolean;
  readonly secrets?: Readonly<Record<string, Buffer>>;
  /** By registry host. */
  readonly credentials?: Readonly<Record<string, Credentials>>;
  /** What it returns is waited for: a slow reader holds back the steps. */
  readonly onOutput: (output: BuildOutput) => void | Promise<void>;
  readonly signal: AbortSignal;
}

export type BuildOutput =
  | { readonly kind: "stream"; readonly text: string }                 // "Step 1/3 : FROM busybox\n", " ---> 4f5…\n", what RUN prints
  | { readonly kind: "status"; readonly id: string; readonly status: string; readonly currentBytes: number; readonly totalBytes: number }   // pulls
  | { readonly kind: "aux"; readonly imageId: string };
