import { netnsPathOf, type HostLinks, type KernelStep, type NamespaceChange } from "../linux/index.js";
import { contains, parseCidr, parseIpv4 } from "../model/index.js";
import type { Balance } from "./core/balance.js";
import { netnsName } from "./core/names.js";
import type { SandboxRecord } from "./core/sandbox.js";
import { renderSandboxRules } from "./core/sandbox-rules.js";

/** The rules inside a sandbox's namespace, whole. Written before anything can come in. */
export const sandboxRulesStep = (record: SandboxRecord, balance: Balance, options: { readonly seed: number; readonly isNamespaceNew: boolean }): KernelStep =>
  ({ tool: "nft", netns: netnsName(record.id), text: renderSandboxRules({ balance, dnsVia: record.dnsVia, ...options }) });

/** Everything else in it: interfaces (those whose host's end is present are only set), addresses, the route. An interface is moved into the namespace whole or not at all. */
export function sandboxChange(record: SandboxRecord, options: { readonly isNamespaceNew: boolean; readonly presentVeths: ReadonlySet<string> }): NamespaceChange {
  const { interfaces, routeVia } = record;
  const gateway = parseIpv4(routeVia);
  const way = gateway === undefined ? undefined : interfaces.find((port) => contains(parseCidr(`${port.addr}/${port.prefix}`)!, gateway));
  return {
    path: netnsPathOf(netnsName(record.id)), isNew: options.isNamespaceNew, removed: [],
    added: interfaces.map(({ device, veth, bridge, mac, mtu, addr, prefix }) => ({
      device, mac, mtu, addresses: [`${addr}/${prefix}`], hasIpv6: false,
      // Frames for addresses that nobody here has go into the tunnel, not to every neighbour.
      link: { kind: "veth", hostName: veth, isThere: options.presentVeths.has(veth), bridge, isIsolated: false, onlyMac: mac },
    })),
    gateways: way ? [{ address: routeVia, device: way.device }] : [],
    resolver: undefined,   // questions to 127.0.0.11 are the rules' matter
  };
}

/** The host's ends go first and at once: the namespace itself lives on while a process is inside. What is not there is fine. */
export async function unplumb(links: HostLinks, id: string, veths: readonly string[]): Promise<void> {
  await Promise.all(veths.map((veth) => links.removeLink(veth)));
  await links.removeNamespace(netnsPathOf(netnsName(id)));
}
