/** What happened on this host, in Docker's words: the last 1,024 are kept in memory for `since`. */
export interface Events {
  /** Those since `sinceMs` that are still known, then each as it happens, until `untilMs` or the signal. */
  stream(options: { sinceMs?: number; untilMs?: number; signal: AbortSignal }): AsyncIterable<EngineEvent>;
  publish(event: Omit<EngineEvent, "timeNano">): void;
}

export interface EngineEvent {
  readonly type: "container" | "image" | "volume" | "network" | "daemon" | "builder";
  readonly action: string;                 // "create", "start", "die", "exec_create: ls", "health_status: healthy", "pull", "mount" …
  readonly actorId: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly timeNano: bigint;               // since 1970
}
