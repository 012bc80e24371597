import type { ContainerConfig, ContainerEvent, ContainerState, EngineInfo, ExecResult, HealthState, Image, ImageStore, LogLine, LogReadOptions, PullOptions, TaskEngine } from "../engine/index.js";
import { SwarmError } from "../lib/index.js";
import type { Overlay, OverlayState, Sandbox, SandboxSpec } from "../overlay/index.js";

/** An engine whose containers are entries in a map. Outlives any agent, as the real one's containers do. */
export class FakeEngine implements TaskEngine {
  readonly containers = new Map<string, ContainerState>();
  readonly configs = new Map<string, ContainerConfig>();
  readonly lines = new Map<string, LogLine[]>();
  /** What was asked of it, in order: "create t1", "start t1". */
  readonly calls: string[] = [];
  readonly localImages = new Set<string>(["busybox"]);
  /** What a registry has. */
  readonly remoteImages = new Set<string>();
  /** Pulls wait for this. */
  pullGate: Promise<void> = Promise.resolve();
  /** Failures to throw, next first, by method. */
  readonly failures: Partial<Record<"pull" | "create" | "start" | "stop", SwarmError[]>> = {};
  /** Containers with a health check start as "starting". */
  stopExitCode = 143;
  #listeners = new Set<(event: ContainerEvent) => void>();
  #pid = 1_000;

  readonly images: ImageStore = {
    list: async () => [],
    get: async (reference) => (this.localImages.has(reference) ? imageOf(reference) : undefined),
    pull: async (reference, options?: PullOptions) => {
      this.calls.push(`pull ${reference}`);
      await Promise.race([this.pullGate, new Promise((_, reject) => options?.signal?.addEventListener("abort", () => reject(options.signal!.reason)))]);
      this.#failNext("pull");
      if (!this.remoteImages.has(reference)) throw new SwarmError("NOT_FOUND", `Cannot pull "${reference}": the registry has no such image; see whether name and tag are right`);
      this.localImages.add(reference);
      return imageOf(reference);
    },
    load: async () => [],
    import: async (_tar, { reference }) => imageOf(reference),
    remove: async () => ({ untagged: [], deleted: [] }),
  };

  async create(config: ContainerConfig) {
    this.calls.push(`create ${config.id}`);
    this.#failNext("create");
    if (this.containers.has(config.id)) throw new SwarmError("ALREADY_EXISTS", `Cannot create container "${config.name}": its id is taken`);
    this.configs.set(config.id, config);
    this.containers.set(config.id, {
      id: config.id, name: config.name, image: config.image, labels: config.labels, phase: "created", pid: 0, createdAtMs: Date.now(), startedAtMs: 0,
      exit: undefined, health: config.health ? "starting" : "none", healthLog: "",
    });
  }
  async start(id: string) {
    this.calls.push(`start ${id}`);
    this.#failNext("start");
    this.#change(id, { phase: "running", pid: this.#pid++, startedAtMs: Date.now() });
    this.#emit({ kind: "started", id });
  }
  async stop(id: string, options: { graceMs: number; signal?: string }) {
    this.calls.push(`stop ${id} ${options.graceMs}`);
    this.#failNext("stop");
    if (this.containers.get(id)?.phase === "running") this.exit(id, this.stopExitCode);
  }
  async kill(id: string) { this.exit(id, 137); }
  async remove(id: string) {
    this.calls.push(`remove ${id}`);
    this.containers.delete(id);
  }
  async inspect(id: string) { return this.containers.get(id); }
  async list() { return [...this.containers.values()]; }
  async wait(id: string) { return this.containers.get(id)!.exit!; }
  async *logs(id: string, options: LogReadOptions): AsyncGenerator<LogLine> {
    const lines = this.lines.get(id) ?? [];
    this.lines.set(id, lines);
    for (let next = options.tail === undefined ? 0 : Math.max(0, lines.length - options.tail); ; next += 1) {
      while (next >= lines.length) {
        if (!options.follow || options.signal?.aborted || this.containers.get(id)?.phase !== "running") return;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      yield lines[next]!;
    }
  }
  async exec(): Promise<ExecResult> { return { exitCode: 0, output: "", isTimedOut: false }; }
  watch(listener: (event: ContainerEvent) => void, signal: AbortSignal) {
    this.#listeners.add(listener);
    signal.addEventListener("abort", () => this.#listeners.delete(listener));
  }
  async info(): Promise<EngineInfo> {
    return { version: "fake", runtime: "fake", cgroups: "v2", storageDriver: "fake", kernel: "", os: "linux", arch: "amd64", cpuMillis: 1_000, memoryBytes: 2 ** 30, containersRunning: 0, containersPaused: 0, containersTotal: 0, images: 0, stateDir: "", runtimes: [], storageStatus: [], registries: {} };
  }
  async close() {}

  // ---- what tests make happen ----------------------------------------------------------------------------------------

  exit(id: string, exitCode: number, more: { isOomKilled?: boolean } = {}) {
    const exit = { exitCode, isOomKilled: more.isOomKilled ?? false, finishedAtMs: Date.now() };
    this.#change(id, { phase: "exited", pid: 0, exit });
    this.#emit({ kind: "exited", id, exit });
  }
  setHealth(id: string, health: HealthState, output = "") {
    this.#change(id, { health, healthLog: output });
    this.#emit({ kind: "health", id, health, output });
  }
  print(id: string, text: string) {
    const lines = this.lines.get(id) ?? [];
    lines.push({ stream: "stdout", timestamp: `2026-01-01T00:00:00.${String(lines.length).padStart(9, "0")}Z`, line: Buffer.from(text) });
    this.lines.set(id, lines);
  }
  runs(id: string) { return this.containers.get(id)?.phase === "running"; }

  #change(id: string, changes: Partial<ContainerState>) {
    const container = this.containers.get(id);
    if (!container) throw new SwarmError("NOT_FOUND", `There is no container "${id}"`);
    this.containers.set(id, { ...container, ...changes });
  }
  #emit(event: ContainerEvent) { for (const listener of this.#listeners) listener(event); }
  #failNext(method: keyof FakeEngine["failures"]) {
    const failure = this.failures[method]?.shift();
    if (failure) throw failure;
  }
}

/** An overlay that remembers what it was told. */
export class FakeOverlay implements Overlay {
  readonly sandboxes = new Map<string, SandboxSpec>();
  readonly calls: string[] = [];
  state: OverlayState | undefined;
  failure: SwarmError | undefined;

  async apply(state: OverlayState) {
    if (this.failure) throw this.failure;
    this.state = state;
  }
  async attach(sandbox: SandboxSpec): Promise<Sandbox> {
    this.calls.push(`attach ${sandbox.id}`);
    this.sandboxes.set(sandbox.id, sandbox);
    return {
      netnsPath: `/run/netns/${sandbox.id}`, resolvConf: "nameserver 127.0.0.11\n", hosts: "127.0.0.1 localhost\n",
      hostPorts: sandbox.hostPorts.map((port, index) => ({ ...port, publishedPort: port.publishedPort || 40_000 + index })),
    };
  }
  async detach(id: string) { this.calls.push(`detach ${id}`); this.sandboxes.delete(id); }
  async list() { return [...this.sandboxes.keys()]; }
  async close() {}
  async destroy() { this.sandboxes.clear(); }
}

const imageOf = (reference: string): Image => ({
  id: `sha256:${reference}`, references: [reference], digests: [], sizeBytes: 1, createdAtMs: 0, os: "linux", arch: "amd64",
  config: { entrypoint: [], cmd: [], env: [], workdir: "", user: "", stopSignal: "", labels: {}, volumes: [], exposedPorts: [], health: undefined },
});
