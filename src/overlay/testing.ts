import type { Overlay, OverlayState, Sandbox, SandboxSpec } from "./api.js";

/** An overlay without a kernel: remembers what it was told, attaches at once, fails when told to. For tests of the agent. */
export class FakeOverlay implements Overlay {
  readonly states: OverlayState[] = [];
  readonly sandboxes = new Map<string, SandboxSpec>();
  isClosed = false;
  /** Thrown by the next attach. */
  attachFailure: Error | undefined;
  #nextPort = 30_000;

  get state(): OverlayState | undefined { return this.states.at(-1); }
  async apply(state: OverlayState): Promise<void> { this.states.push(state); }
  async attach(spec: SandboxSpec): Promise<Sandbox> {
    const failure = this.attachFailure;
    this.attachFailure = undefined;
    if (failure) throw failure;
    this.sandboxes.set(spec.id, spec);
    return {
      netnsPath: `/run/netns/skein-${spec.id}`, resolvConf: "nameserver 127.0.0.11\n", hosts: `127.0.0.1\tlocalhost ${spec.hostname}\n`,
      hostPorts: spec.hostPorts.map((port) => ({ ...port, publishedPort: port.publishedPort || this.#nextPort++ })),
    };
  }
  async detach(sandboxId: string): Promise<void> { this.sandboxes.delete(sandboxId); }
  async list(): Promise<string[]> { return [...this.sandboxes.keys()]; }
  async close(): Promise<void> { this.isClosed = true; }
  async destroy(): Promise<void> { this.sandboxes.clear(); this.isClosed = true; }
}
