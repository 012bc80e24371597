import type { KernelStep } from "../linux/index.js";
import { renderSandboxRules } from "./core/sandbox-rules.js";
import type { Balance } from "./core/balance.js";
import { netnsName } from "./core/names.js";
import type { SandboxRecord } from "./core/sandbox.js";

export interface PlumbOptions { readonly balance: Balance; readonly seed: number; readonly isNamespaceThere: boolean; readonly presentVeths: ReadonlySet<string> }

/**
 * Makes a sandbox's namespace with everything in it. What is half there, from an attach that was cut short, is made anew: an
 * interface is moved into the namespace whole or not at all.
 */
export function plumbSteps(record: SandboxRecord, options: PlumbOptions): KernelStep[] {
  const netns = netnsName(record.id);
  const missing = record.interfaces.filter((port) => !options.isNamespaceThere || !options.presentVeths.has(port.veth));
  const stale = missing.filter((port) => options.presentVeths.has(port.veth));
  return [
    ...(stale.length > 0 ? [{ tool: "ip" as const, isTolerant: true, lines: stale.map((port) => `link del ${port.veth}`) }] : []),
    {
      tool: "ip",
      lines: [
        ...(options.isNamespaceThere ? [] : [`netns add ${netns}`]),
        ...missing.flatMap((port) => [
          `link add ${port.veth} mtu ${port.mtu} type veth peer name ${port.device} address ${port.mac} mtu ${port.mtu} netns ${netns}`,
          `link set ${port.veth} addrgenmode none`,
          `link set ${port.veth} master ${port.bridge} up`,
          // Frames for addresses that nobody here has go into the tunnel, not to every neighbour. Hairpin: a task that calls a port that
          // is published, and forwarded to itself, has the frame come back (within the bridge, where bridge-nf-call-iptables is on).
          `link set ${port.veth} type bridge_slave flood off hairpin on`,
        ]),
      ],
    },
    { tool: "bridge", lines: record.interfaces.map((port) => `fdb replace ${port.mac} dev ${port.veth} master static`) },
    {
      tool: "sysctl", netns,
      settings: {
        "net.ipv4.conf.all.route_localnet": "1",           // questions to 127.0.0.11 leave through eth0
        "net.ipv4.ip_unprivileged_port_start": "0",        // as Docker: a container is not root's host
        "net.ipv4.ping_group_range": "0 2147483647",
      },
    },
    {
      tool: "nft", netns,
      text: renderSandboxRules({ balance: options.balance, dnsVia: record.dnsVia, seed: options.seed, isNamespaceNew: !options.isNamespaceThere }),
    },
    {
      tool: "ip", netns,
      lines: [
        "link set lo up",
        ...record.interfaces.flatMap((port) => [
          `link set ${port.device} addrgenmode none`,
          `addr replace ${port.addr}/${port.prefix} dev ${port.device}`,
          `link set ${port.device} up`,
        ]),
        ...(record.routeVia ? [`route replace default via ${record.routeVia}`] : []),
      ],
    },
  ];
}

/** The host's ends go first and at once: the namespace itself lives on while a process is inside. */
export const unplumbSteps = (id: string, veths: readonly string[], isNamespaceThere: boolean): KernelStep[] => [{
  tool: "ip", isTolerant: true,
  lines: [...veths.map((veth) => `link del ${veth}`), ...(isNamespaceThere ? [`netns del ${netnsName(id)}`] : [])],
}];
