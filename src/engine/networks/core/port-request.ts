import { SwarmError } from "../../../lib/index.js";
import { formatIp, parseIp } from "./ip-address.js";
import type { PortRecord } from "./records.js";

/** A port to publish, understood: the first of [first, last] that is free. */
export interface PortRequest {
  readonly containerPort: number;
  readonly protocol: PortRecord["protocol"];
  readonly hostIps: readonly string[];     // "0.0.0.0" and "::" are all of a family; one number is taken on all of them
  /** 0: chosen from those that the host gives to nobody by itself. */
  readonly first: number;
  readonly last: number;
}

export interface PortBindingRequest { readonly containerPort: number; readonly protocol: string; readonly hostIp: string; readonly hostPort: string }

/** `exposed`: "80/tcp", "8000-8010/udp" of container and image, all published at chosen ports when `publishAll`. */
export function portRequests(bindings: readonly PortBindingRequest[], exposed: readonly string[], options: { publishAll: boolean; defaultHostIp: string; hasIpv6: boolean }): PortRequest[] {
  const hostIpsOf = (text: string, what: string): string[] => {
    const wanted = text.replace(/^\[(.*)\]$/, "$1") || options.defaultHostIp;
    if (wanted === "") return options.hasIpv6 ? ["0.0.0.0", "::"] : ["0.0.0.0"];
    const ip = parseIp(wanted) ?? refuse(what, `"${text.slice(0, 80)}" is no address of the host`);
    if (ip.family === 6 && ip.value === 1n) refuse(what, "the kernel does not forward connections to ::1; publish at 127.0.0.1, or at an IPv6 address of the host");
    if (ip.family === 6 && !options.hasIpv6) refuse(what, `${wanted} is an IPv6 address, and the container has none; connect it to a network with IPv6, or publish at an IPv4 address`);
    return [formatIp(ip)];
  };
  const requests = bindings.map((binding): PortRequest => {
    const what = `${binding.hostIp ? `${binding.hostIp}:` : ""}${binding.hostPort}:${binding.containerPort}/${binding.protocol}`.slice(0, 120);
    const protocol = protocolOf(binding.protocol, what);
    if (!isPort(binding.containerPort)) refuse(what, `container port ${binding.containerPort} is not from 1 to 65535`);
    const { first, last } = rangeOf(binding.hostPort, what);
    return { containerPort: binding.containerPort, protocol, hostIps: hostIpsOf(binding.hostIp, what), first, last };
  });
  if (!options.publishAll) return requests;
  const have = new Set(requests.map((request) => `${request.containerPort}/${request.protocol}`));
  const all = exposed.flatMap((text) => { const { ports, protocol } = exposedPorts(text); return ports.map((containerPort) => ({ containerPort, protocol })); });
  for (const { containerPort, protocol } of all) {
    const key = `${containerPort}/${protocol}`;
    if (!have.has(key)) { have.add(key); requests.push({ containerPort, protocol, hostIps: hostIpsOf("", key), first: 0, last: 0 }); }
  }
  return requests;
}

function exposedPorts(text: string): { ports: number[]; protocol: PortRecord["protocol"] } {
  const [range, protocol = "tcp"] = text.split("/") as [string, string | undefined];
  const { first, last } = rangeOf(range, text);
  if (first === 0) refuse(text, "it is not from 1 to 65535");
  return { ports: Array.from({ length: last - first + 1 }, (_, i) => first + i), protocol: protocolOf(protocol, text) };
}

function rangeOf(text: string, what: string): { first: number; last: number } {
  if (text === "" || text === "0") return { first: 0, last: 0 };
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? refuse(what, `"${text.slice(0, 40)}" is no port or range of ports`);
  const first = Number(match[1]), last = Number(match[2] ?? match[1]);
  if (!isPort(first) || !isPort(last) || last < first) refuse(what, `"${text}" is not from 1 to 65535, lower number first`);
  return { first, last };
}

const isPort = (port: number): boolean => Number.isInteger(port) && port > 0 && port < 65_536;
function protocolOf(text: string, what: string): PortRecord["protocol"] {
  const protocol = text.toLowerCase();
  return protocol === "tcp" || protocol === "udp" || protocol === "sctp" ? protocol : refuse(what, `protocol "${text.slice(0, 40)}" is not tcp, udp or sctp`);
}
function refuse(what: string, why: string): never { throw new SwarmError("INVALID_ARGUMENT", `port ${what.slice(0, 120)} cannot be published: ${why}`); }

/** Whether two host addresses meet: all of a family includes each of it. */
export const meets = (a: string, b: string): boolean => a === b || (a.includes(":") === b.includes(":") && (a === "0.0.0.0" || a === "::" || b === "0.0.0.0" || b === "::"));
