import type { LabelFilter } from "./images.js";

/** A volume that carries this label is never pruned: who needs it may not be on this host now. */
export const keptLabel = "skein.keep";

/** Named directories that outlive containers. Driver "local"; others by a plug. */
export interface Volumes {
  list(): Promise<Volume[]>;
  get(name: string): Promise<Volume | undefined>;
  /** Creating what is there already gives that one back; with another driver or other options it is refused. name "": chosen. */
  create(config: { name: string; driver?: string; options?: Readonly<Record<string, string>>; labels?: Readonly<Record<string, string>> }): Promise<Volume>;
  /** Refused while a container has it, running or not. */
  remove(name: string, options?: { force?: boolean }): Promise<void>;
  /** Those that no container has; anonymous ones only, unless isAll. Never those with keptLabel. */
  prune(options: { isAll?: boolean; labels?: readonly LabelFilter[] }): Promise<{ deleted: string[]; freedBytes: number }>;
}

export interface Volume {
  readonly name: string;
  readonly driver: string;
  readonly mountpoint: string;
  readonly createdAtMs: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  readonly isAnonymous: boolean;
  /** Names of containers that have it. */
  readonly users: readonly string[];
  /** Bytes on disk; only from usage(). */
  readonly sizeBytes?: number;
}
