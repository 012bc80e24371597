import type { PortConfig, Protocol } from "../../../model/index.js";

export const firstDynamicPort = 30_000;
export const lastDynamicPort = 32_767;

/** Published ports of mode ingress: one owner (service) per protocol and port in the whole cluster. */
export class PortPool {
  readonly #owners = new Map<string, string>();
  readonly #cursor: Record<Protocol, number> = { TCP: firstDynamicPort, UDP: firstDynamicPort };

  ownerOf(protocol: Protocol, port: number): string | undefined { return this.#owners.get(key(protocol, port)); }

  /** False if it is another's. */
  claim(protocol: Protocol, port: number, owner: string): boolean {
    const present = this.#owners.get(key(protocol, port));
    if (present !== undefined) return present === owner;
    this.#owners.set(key(protocol, port), owner);
    return true;
  }

  /** A port of the dynamic range; next-fit, so that a port given back is not at once somebody else's. undefined: used up. */
  take(protocol: Protocol, owner: string): number | undefined {
    const size = lastDynamicPort - firstDynamicPort + 1;
    for (let i = 0; i < size; i++) {
      const port = firstDynamicPort + ((this.#cursor[protocol] - firstDynamicPort + i) % size);
      if (this.#owners.has(key(protocol, port))) continue;
      this.#owners.set(key(protocol, port), owner);
      this.#cursor[protocol] = port + 1 > lastDynamicPort ? firstDynamicPort : port + 1;
      return port;
    }
    return undefined;
  }

  free(protocol: Protocol, port: number, owner: string): boolean {
    if (this.#owners.get(key(protocol, port)) !== owner) return false;
    return this.#owners.delete(key(protocol, port));
  }

  /**
   * The ports of a service with every published one decided. Keeps what `present` has (sticky over updates). On refusal nothing changes.
   */
  assign(wished: readonly PortConfig[], present: readonly PortConfig[], owner: string): { ports: PortConfig[] } | { taken: PortConfig; by: string | undefined } {
    const added: PortConfig[] = [];
    const left = present.filter((port) => port.mode === "INGRESS");
    const fail = (taken: PortConfig, by: string | undefined) => {
      for (const port of added) this.free(port.protocol, port.publishedPort, owner);
      return { taken, by };
    };
    const ports: PortConfig[] = new Array(wished.length);
    // Named ports first: a dynamic one must not take what the same spec names.
    for (const [i, wish] of wished.entries()) {
      if (wish.mode !== "INGRESS") ports[i] = wish;
      else if (wish.publishedPort !== 0) {
        const by = this.ownerOf(wish.protocol, wish.publishedPort);
        if (by !== undefined && by !== owner) return fail(wish, by);
        if (by === undefined) { this.claim(wish.protocol, wish.publishedPort, owner); added.push(wish); }
        const at = left.findIndex((port) => port.protocol === wish.protocol && port.publishedPort === wish.publishedPort);
        if (at >= 0) left.splice(at, 1);
        ports[i] = wish;
      }
    }
    for (const [i, wish] of wished.entries()) {
      if (wish.mode !== "INGRESS" || wish.publishedPort !== 0) continue;
      const at = left.findIndex((port) => port.protocol === wish.protocol && port.targetPort === wish.targetPort
        && port.publishedPort >= firstDynamicPort && port.publishedPort <= lastDynamicPort);
      const publishedPort = at >= 0 ? left.splice(at, 1)[0]!.publishedPort : this.take(wish.protocol, owner);
      if (publishedPort === undefined) return fail(wish, undefined);
      ports[i] = { ...wish, publishedPort };
      if (at < 0) added.push(ports[i]!);
    }
    for (const port of left) this.free(port.protocol, port.publishedPort, owner);
    return { ports };
  }
}

const key = (protocol: Protocol, port: number) => `${port}/${protocol}`;
