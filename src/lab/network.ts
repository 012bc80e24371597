import { SwarmError } from "../lib/index.js";
import { attempt, must, run } from "./tools.js";
import { bridgeOf, gatewayOf, tableOf, vethOf, type Lab, type LabHost } from "./state.js";

/** Which 198.18.N.0/24 this machine has addresses in. */
export async function takenSubnets(): Promise<Set<number>> {
  const { stdout } = await run(["ip", "-o", "-4", "addr", "show"]);
  return new Set([...stdout.matchAll(/\binet 198\.18\.(\d+)\./g)].map((match) => Number(match[1])));
}

/** The bridge that the hosts are joined by. This machine is on it too, so that it reaches them; it forwards nothing for them. */
export async function makeBridge(lab: Lab): Promise<void> {
  const bridge = bridgeOf(lab.name);
  await must(["ip", "link", "add", bridge, "type", "bridge", "stp_state", "0", "forward_delay", "0", "mcast_snooping", "0"]);
  await must(["ip", "addr", "add", `${gatewayOf(lab)}/24`, "dev", bridge]);
  await must(["ip", "link", "set", bridge, "up"]);
}

/** A cable from the bridge into the namespaces of `pid`. */
export async function plugHost(lab: Lab, host: LabHost, pid: number): Promise<void> {
  const veth = vethOf(lab, host.name);
  await attempt(["ip", "link", "del", veth]);
  await must(["ip", "link", "add", veth, "type", "veth", "peer", "name", "eth0", "address", host.mac, "netns", String(pid)]);
  await must(["ip", "link", "set", veth, "master", bridgeOf(lab.name), "up"]);
  const inside = `ip link set lo up && ip link set eth0 up && ip addr add ${host.address}/24 dev eth0 && ip route add default via ${gatewayOf(lab)} && echo 1 > /proc/sys/net/ipv4/ip_forward`;
  // The mount namespace too: its /proc shows the sysctls of the host's network, never this machine's.
  await must(["nsenter", "-t", String(pid), "-m", "-n", "--", "sh", "-ec", inside]);
}

export async function removeNetwork(lab: { name: string; subnet?: number }): Promise<void> {
  await attempt(["nft", "delete", "table", "bridge", tableOf(lab.name)]);
  // Cables first: those whose host side was never plugged in outlive their hosts.
  const { stdout } = await run(["ip", "-o", "link", "show", "master", bridgeOf(lab.name)]);
  for (const match of stdout.matchAll(/^\d+: ([^:@]+)/gm)) await attempt(["ip", "link", "del", match[1]!]);
  if (lab.subnet !== undefined) {
    const all = (await run(["ip", "-o", "link", "show"])).stdout;
    for (const match of all.matchAll(/^\d+: ([^:@]+)/gm)) if (match[1]!.startsWith(`skl${lab.subnet}-`)) await attempt(["ip", "link", "del", match[1]!]);
  }
  await attempt(["ip", "link", "del", bridgeOf(lab.name)]);
}

/**
 * Drops every frame between hosts of different groups; hosts in no group reach everybody, and this machine does too. Replaces an earlier
 * partition in one transaction.
 */
export async function partition(lab: Lab, groups: readonly (readonly string[])[]): Promise<void> {
  const named = groups.flat();
  const twice = named.find((host, index) => named.indexOf(host) !== index);
  if (twice) throw new SwarmError("INVALID_ARGUMENT", `Cannot partition lab "${lab.name}": host "${twice}" is named twice`);
  if (groups.length < 2 || groups.some((group) => group.length === 0)) throw new SwarmError("INVALID_ARGUMENT", `Cannot partition lab "${lab.name}": it takes two groups or more, such as "m1,m2 / m3,w1,w2"`);
  const set = (group: readonly string[]) => `{ ${group.map((host) => `"${vethOf(lab, host)}"`).join(", ")} }`;
  const rules = groups.flatMap((from) => groups.filter((to) => to !== from).map((to) => `    iifname ${set(from)} oifname ${set(to)} drop`));
  const table = tableOf(lab.name);
  await must(["nft", "-f", "-"], [
    `table bridge ${table} {}`, `delete table bridge ${table}`,
    `table bridge ${table} {`, "  chain forward {", "    type filter hook forward priority 0; policy accept;", ...rules, "  }", "}", "",
  ].join("\n"));
}

export const heal = (lab: Lab): Promise<boolean> => attempt(["nft", "delete", "table", "bridge", tableOf(lab.name)]);
