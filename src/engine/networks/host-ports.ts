import { createSocket } from "node:dgram";
import { readFile, readdir, readlink } from "node:fs/promises";
import { createServer } from "node:net";
import { SwarmError } from "../../lib/index.js";
import { meets, type PortRequest } from "./core/port-request.js";
import type { PortRecord } from "./core/records.js";

const chosenFirst = 32_768, chosenLast = 65_535;

/** Who has which port of the host, and which are free. What is given out is taken until it is given back. */
export class HostPorts {
  readonly #taken: { readonly port: PortRecord; readonly containerId: string }[] = [];
  #next = chosenFirst;

  constructor(private readonly nameOf: (containerId: string) => string) {}

  adopt(containerId: string, ports: readonly PortRecord[]): void { for (const port of ports) this.#taken.push({ port, containerId }); }

  giveBack(containerId: string): void {
    for (let i = this.#taken.length - 1; i >= 0; i--) if (this.#taken[i]!.containerId === containerId) this.#taken.splice(i, 1);
  }

  /** All of them, or none with the reason. */
  async take(containerId: string, requests: readonly PortRequest[]): Promise<PortRecord[]> {
    const settled: PortRecord[] = [];
    try {
      for (const request of requests) settled.push(...await this.#settle(containerId, request));
      return settled;
    } catch (error) { this.giveBack(containerId); throw error; }
  }

  async #settle(containerId: string, request: PortRequest): Promise<PortRecord[]> {
    let reason: () => string | Promise<string> = () => "";
    const candidates = request.first === 0 ? this.#chosen(await localPortRange()) : (function* () { for (let port = request.first; port <= request.last; port++) yield port; })();
    for (const hostPort of candidates) {
      const ports = request.hostIps.map((hostIp): PortRecord => ({ containerPort: request.containerPort, protocol: request.protocol, hostIp, hostPort }));
      const holder = ports.map((port) => this.#holderOf(port)).find((found) => found !== undefined);
      if (holder !== undefined) { reason = () => `port is already allocated: container "${this.nameOf(holder)}" has it`; continue; }
      // Taken before it is tried, so that nobody else tries it meanwhile.
      this.adopt(containerId, ports);
      const refusals = await Promise.all(ports.map(async (port) => { const error = await bindingError(port); return error && { port, error }; }));
      const refusal = refusals.find((each) => each !== undefined);
      if (refusal === undefined) return ports;
      for (const port of ports) this.#taken.splice(this.#taken.findIndex((each) => each.port === port), 1);
      reason = () => refusalText(refusal.port, refusal.error);
      if (refusal.error.code === "EADDRNOTAVAIL") break;
    }
    const { first, last, hostIps, protocol, containerPort } = request;
    const where = `${hostIps[0]!.includes(":") ? `[${hostIps[0]}]` : hostIps[0]}:${first === 0 ? `${chosenFirst}-${chosenLast}` : first === last ? first : `${first}-${last}`}`;
    const why = await reason();
    throw new SwarmError("FAILED_PRECONDITION", first !== last || first === 0
      ? `Bind for ${where} failed: no port of the range is free for container port ${containerPort}/${protocol}; give a wider range, or stop what has them (${why})`
      : `Bind for ${where} failed: ${why}; stop that, or publish ${containerPort}/${protocol} at another port`);
  }

  #holderOf({ protocol, hostIp, hostPort }: PortRecord): string | undefined {
    return this.#taken.find(({ port }) => port.protocol === protocol && port.hostPort === hostPort && meets(port.hostIp, hostIp))?.containerId;
  }

  /** Those first that the kernel gives to nobody's outgoing connections; after the last one given, so that a late packet finds no stranger. */
  *#chosen(local: { first: number; last: number }): Generator<number> {
    const count = chosenLast - chosenFirst + 1;
    for (const isLocal of [false, true]) {
      const start = this.#next;
      for (let i = 0; i < count; i++) {
        const port = chosenFirst + ((start - chosenFirst + i) % count);
        if ((port >= local.first && port <= local.last) !== isLocal) continue;
        this.#next = port === chosenLast ? chosenFirst : port + 1;
        yield port;
      }
    }
  }
}

async function localPortRange(): Promise<{ first: number; last: number }> {
  const [first, last] = (await readFile("/proc/sys/net/ipv4/ip_local_port_range", "utf8").catch(() => "32768 60999")).trim().split(/\s+/).map(Number) as [number, number];
  return { first, last };
}

/** Undefined when the host could listen there itself: forwarding takes nobody's connections away. */
async function bindingError(port: PortRecord): Promise<NodeJS.ErrnoException | undefined> {
  return port.protocol === "tcp" ? tryTcp(port) : port.protocol === "udp" ? tryUdp(port) : undefined;
}

async function refusalText(port: PortRecord, error: NodeJS.ErrnoException): Promise<string> {
  switch (error.code) {
    case "EADDRINUSE": return `address already in use by ${await listenerOf(port) ?? "a program on the host"}`;
    case "EADDRNOTAVAIL": return `cannot assign requested address: ${port.hostIp} is not an address of this host`;
    default: return error.message;
  }
}

function tryTcp({ hostIp, hostPort }: PortRecord): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", resolve);
    server.listen({ port: hostPort, host: hostIp, exclusive: true, ipv6Only: true }, () => server.close(() => resolve(undefined)));
  });
}

function tryUdp({ hostIp, hostPort }: PortRecord): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(hostIp.includes(":") ? { type: "udp6", ipv6Only: true } : { type: "udp4" });
    socket.once("error", (error) => { socket.close(); resolve(error); });
    socket.bind({ port: hostPort, address: hostIp, exclusive: true }, () => socket.close(() => resolve(undefined)));
  });
}

/** Whose socket it is, looked for through all processes: only when a port is refused for good. */
async function listenerOf({ protocol, hostPort }: PortRecord): Promise<string | undefined> {
  const port = hostPort.toString(16).toUpperCase().padStart(4, "0");
  const inodes = new Set<string>();
  for (const file of [protocol, `${protocol}6`]) {
    const table = await readFile(`/proc/net/${file}`, "utf8").catch(() => "");   // no such protocol in this kernel
    for (const line of table.split("\n").slice(1)) {
      const fields = line.trim().split(/\s+/);
      if (fields[1]?.endsWith(`:${port}`) && (protocol === "udp" || fields[3] === "0A")) inodes.add(`socket:[${fields[9]}]`);
    }
  }
  if (inodes.size === 0) return undefined;
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    try {
      for (const fd of await readdir(`/proc/${pid}/fd`)) {
        const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => "");   // closed meanwhile
        if (inodes.has(target)) return `"${(await readFile(`/proc/${pid}/comm`, "utf8")).trim()}" (process ${pid})`;
      }
    } catch { /* it has ended meanwhile */ }
  }
  return undefined;
}
