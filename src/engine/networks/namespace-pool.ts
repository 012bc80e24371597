import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { Clock, Logger, Timer } from "../../lib/index.js";
import type { HostLinks } from "../../linux/index.js";
import { hostLinkOf } from "./core/names.js";

export interface ReadyNamespace { readonly path: string; readonly hostLink: string }

const betweenMs = 4;

/** Namespaces with a veth in them, made while nothing else is to be done. Made one at a time: each holds the event loop for a millisecond. */
export class NamespacePool {
  readonly #ready: ReadyNamespace[] = [];
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(private readonly parts: { directory: string; tag: string; size: number; links: HostLinks; clock: Clock; log: Logger }) {}

  newPath(): string { return join(this.parts.directory, randomBytes(6).toString("hex")); }
  newHostLink(): string { return hostLinkOf(this.parts.tag, randomBytes(4).toString("hex")); }

  /** One that is ready, or undefined: make it yourself. */
  take(): ReadyNamespace | undefined {
    const taken = this.#ready.shift();
    this.#refillLater();
    return taken;
  }

  isHolding(path: string): boolean { return this.#ready.some((each) => each.path === path); }
  isHoldingLink(name: string): boolean { return this.#ready.some((each) => each.hostLink === name); }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    for (const { path } of this.#ready.splice(0)) await this.parts.links.removeNamespace(path);
  }

  #refillLater(): void {
    const { clock, size } = this.parts;
    if (this.#isClosed || this.#timer || this.#ready.length >= size) return;
    this.#timer = clock.after(betweenMs, () => void this.#refill());
  }

  async #refill(): Promise<void> {
    const one: ReadyNamespace = { path: this.newPath(), hostLink: this.newHostLink() };
    try {
      await this.parts.links.makeNamespace(one.path, { hostName: one.hostLink });
      if (this.#isClosed) return await this.parts.links.removeNamespace(one.path);
      this.#ready.push(one);
    } catch (error) {
      this.parts.log.warn("making a network namespace ahead failed", { error });
      return;   // asked for again by the next container
    } finally { this.#timer = undefined; }
    this.#refillLater();
  }
}
