import { readFile } from "node:fs/promises";

/** The IPv4 and IPv6 name servers that this host uses; none when the file is missing. */
export async function readUpstreamServers(path = "/etc/resolv.conf"): Promise<string[]> {
  const text = await readFile(path, "utf8").catch(() => "");
  return parseResolvConf(text);
}

export function parseResolvConf(text: string): string[] {
  const servers = text.split("\n").map((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1]).filter((server) => server !== undefined);
  return servers.slice(0, 3); // as the C library does
}
