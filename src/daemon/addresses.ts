import { lookup } from "node:dns/promises";
import { isIPv4 } from "node:net";
import { SwarmError } from "../lib/index.js";
import { run } from "../linux/index.js";
import { parseHostPort } from "../rpc/index.js";

/** host:port that others reach this node at: as told, else the address from which this host reaches `towards`, else the default route's. */
export async function chooseAdvertiseAddr(told: string, towards?: string): Promise<string> {
  const { host, port } = parseHostPort(told || await routeSource(towards));
  if (["0.0.0.0", "::"].includes(host)) throw new SwarmError("INVALID_ARGUMENT", `Cannot advertise "${host}": it is no address that another host can reach; name one of this host's`);
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** The IPv4 address that tunnels to this host end at. */
export async function underlayAddress(advertiseAddr: string): Promise<string> {
  const { host } = parseHostPort(advertiseAddr);
  if (isIPv4(host)) return host;
  try { return (await lookup(host, 4)).address; } catch (error) {
    throw new SwarmError("INVALID_ARGUMENT", `Cannot advertise "${host}": it does not resolve to an IPv4 address; name one of this host's with --advertise-addr`, { cause: error });
  }
}

async function routeSource(towards: string | undefined): Promise<string> {
  // Nothing is sent: the kernel is asked which of its addresses it would use. 192.0.2.1 (RFC 5737) stands for "outside".
  const target = towards && isIPv4(parseHostPort(towards).host) ? parseHostPort(towards).host : "192.0.2.1";
  const { exitCode, stdout } = await run(["ip", "-j", "-4", "route", "get", target]);
  if (exitCode === 0) {
    const source = (JSON.parse(stdout) as { prefsrc?: string }[])[0]?.prefsrc;
    if (source) return source;
  }
  throw new SwarmError("FAILED_PRECONDITION", `Cannot tell which address other hosts reach this one at: there is no default route; name it with --advertise-addr`);
}
