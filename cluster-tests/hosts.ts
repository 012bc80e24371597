import type { Result, RunOptions } from "./run.js";

/** Where a story's hosts come from. */
export interface Hosts {
  readonly managers: readonly string[];
  readonly workers: readonly string[];
  address(host: string): string;
  /** The run directory of a host's swarmd, for swarmctl on this machine; or undefined where swarmctl must run on the host itself. */
  runDirectory(host: string): string | undefined;
  exec(host: string, command: readonly string[], options?: RunOptions): Promise<Result>;
  /** Power cut; the disk stays. */
  kill(host: string): Promise<void>;
  killDaemon(host: string): Promise<void>;
  stop(host: string): Promise<void>;
  start(host: string): Promise<void>;
  pause(host: string): Promise<void>;
  resume(host: string): Promise<void>;
  partition(groups: readonly (readonly string[])[]): Promise<void>;
  heal(): Promise<void>;
  stateDirectory(host: string): string;
  down(): Promise<void>;
}
