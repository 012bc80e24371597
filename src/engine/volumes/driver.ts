/** What a volume is, as its record keeps it. */
export interface VolumeRecord {
  readonly name: string;
  readonly driver: string;
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAtMs: number;
  readonly isAnonymous: boolean;
}

/**
 * A way to keep volumes; the store looks drivers up by name. The store has made `directory` for the volume and removes it afterwards; it calls mount before a container's
 * first use and unmount after the last one's end, never twice in a row, and at most one of these at a time for one volume.
 */
export interface VolumeDriver {
  readonly name: string;
  /** INVALID_ARGUMENT for options that can never work. */
  check(options: Readonly<Record<string, string>>): void;
  create(volume: VolumeRecord, directory: string): Promise<void>;
  remove(volume: VolumeRecord, directory: string): Promise<void>;
  /** Where its files are to be seen, mounted or not. */
  mountpoint(volume: VolumeRecord, directory: string): string;
  /** Whether anything has to be done for its files to be seen. */
  needsMount(volume: VolumeRecord): boolean;
  isMounted(volume: VolumeRecord, directory: string): Promise<boolean>;
  mount(volume: VolumeRecord, directory: string): Promise<void>;
  unmount(volume: VolumeRecord, directory: string): Promise<void>;
}
