import type { ContainerConfig, ContainerEndpoint, ExecOptions, ExecResult, PortBinding } from "../api/index.js";
import type { ContainerRecord } from "./record.js";

/** Containers as the engine's other parts see them. */
export interface ContainerAccess {
  record(id: string): ContainerRecord | undefined;
  /** NOT_FOUND, with the verb in its sentence: "Cannot copy from container …". */
  require(id: string, verb: string): ContainerRecord;
  all(): ContainerRecord[];
  /** Nothing else is begun on this container (start, stop, remove …) until `work` has ended. */
  exclusively<T>(id: string, work: () => Promise<T>): Promise<T>;
  /** An event of this container. */
  publish(record: ContainerRecord, action: string, attributes?: Readonly<Record<string, string>>): void;
}

/** What a container needs of the engine's networks (config.network); tasks bring a namespace of their own instead. */
export interface ContainerNetworking {
  /** Makes or adopts the namespace, attaches it, binds its ports. Before each start; idempotent; refused whole or done whole. */
  prepare(config: ContainerConfig): Promise<PreparedNetwork>;
  /** The container has ended: namespace, addresses and ports are given back. What is not there is fine. */
  release(id: string): Promise<void>;
  /** The container is gone: nothing of it is remembered. */
  forget(id: string): Promise<void>;
  endpoints(id: string): readonly ContainerEndpoint[];
  ports(id: string): readonly PortBinding[];
  sandboxKey(id: string): string;
}

export interface PreparedNetwork {
  readonly namespace: { readonly kind: "path"; readonly path: string } | { readonly kind: "host" } | { readonly kind: "own" };
  readonly resolvConf: string;             // contents
  readonly hosts: string;                  // contents
}

/** Who is attached to a container hears of each of its lives from the first byte on. */
export interface ContainerStreams {
  /** It is about to be launched, its bundle is written: arguments for its monitor. */
  launching(id: string): Promise<readonly string[]>;
  /** It runs; its monitor waits for those that `launching` counted. */
  launched(id: string): void;
  /** It could not be started, or is gone. */
  notLaunched(id: string): void;
}

/** What other parts of the engine know about containers; each may be absent. They are made after the containers, which they look at. */
export interface Neighbours {
  readonly networking?: ContainerNetworking;
  readonly streams?: ContainerStreams;
  readonly runCommand?: (id: string, options: ExecOptions) => Promise<ExecResult>;
  readonly execIds?: (id: string) => readonly string[];
  readonly volume?: (name: string) => { readonly mountpoint: string; readonly driver: string } | undefined;
  readonly describeRoot?: (id: string, diffIds: readonly string[]) => { readonly name: string; readonly data: Readonly<Record<string, string>> };
  readonly writableBytes?: (id: string) => Promise<number>;
}
