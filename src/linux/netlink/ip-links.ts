import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { SwarmError } from "../../lib/index.js";
import { run } from "../spawn.js";
import { quote } from "../step.js";
import { namespaceSettings, resolverTable, type BridgePort, type HostLink, type HostLinks, type HostRoute, type NamespaceChange, type PortElement } from "./host-links.js";
import { resolverRulesText } from "./nft-messages.js";

/** By `ip`, `nft` and `nsenter`, ten times slower: for machines where the C library cannot be called. */
export class IpLinks implements HostLinks {
  readonly kind = "ip";

  async links(): Promise<readonly HostLink[]> {
    const rows = JSON.parse(await must("read the links", ["ip", "-j", "-d", "link", "show"]) || "[]") as { ifname?: string; address?: string; mtu?: number; flags?: string[]; master?: string; linkinfo?: { info_kind?: string } }[];
    return rows.filter((row) => row.ifname).map((row) => ({ name: row.ifname!, kind: row.linkinfo?.info_kind ?? "", mac: row.address ?? "", mtu: row.mtu ?? 0, isUp: row.flags?.includes("UP") ?? false, master: row.master ?? "" }));
  }

  async routes(): Promise<readonly HostRoute[]> {
    const rows = async (family: "-4" | "-6") => (JSON.parse(await must("read the routes", ["ip", "-j", family, "route", "show"]) || "[]") as { dst: string; dev?: string }[])
      .map(({ dst, dev }) => ({ destination: dst === "default" ? (family === "-4" ? "0.0.0.0/0" : "::/0") : dst.includes("/") ? dst : `${dst}/${family === "-4" ? 32 : 128}`, device: dev ?? "" }));
    return [...await rows("-4"), ...await rows("-6")];
  }

  async ensureBridge({ name, mac, mtu, addresses }: Parameters<HostLinks["ensureBridge"]>[0]): Promise<void> {
    if (!(await this.links()).some((link) => link.name === name)) await batch(`make bridge ${name}`, [`link add ${name} address ${mac} type bridge`]);
    await batch(`make bridge ${name}`, [...addresses.map((address) => addressLine(address, name)), `link set ${name} mtu ${mtu} up`]);
  }

  async ensureVlan({ name, parent, id }: Parameters<HostLinks["ensureVlan"]>[0]): Promise<void> {
    if (!(await this.links()).some((link) => link.name === name)) await batch(`make VLAN link ${name}`, [`link add link ${parent} name ${name} type vlan id ${id}`]);
    await batch(`make VLAN link ${name}`, [`link set ${name} up`]);
  }

  async removeLink(name: string): Promise<void> { if ((await this.links()).some((link) => link.name === name)) await batch(`remove link ${name}`, [`link del ${name}`]); }

  async makeNamespace(path: string, pair?: { readonly hostName: string }): Promise<void> {
    await this.removeNamespace(path);
    await mkdir(dirname(path), { recursive: true, mode: 0o711 });
    await writeFile(path, "", { mode: 0o444 });
    const settings = Object.entries(namespaceSettings).map(([name, value]) => `[ ! -e /proc/sys/${name} ] || echo ${quote(value)} > /proc/sys/${name}`).join(" && ");
    await must(`make network namespace ${path}`, ["unshare", `--net=${path}`, "sh", "-c", `${settings} && ip link set lo up`]);
    if (pair) await batch(`make network namespace ${path}`, [`link add ${pair.hostName} type veth peer name eth0 netns ${path}`]);
  }

  async removeNamespace(path: string): Promise<void> {
    while ((await run(["umount", "-l", path])).exitCode === 0);
    await rm(path, { force: true });
  }

  async keepNamespace(path: string, pid: number): Promise<void> {
    await this.removeNamespace(path);
    await mkdir(dirname(path), { recursive: true, mode: 0o711 });
    await writeFile(path, "", { mode: 0o444 });
    await must(`keep the network namespace of process ${pid}`, ["mount", "--bind", `/proc/${pid}/ns/net`, path]);
  }

  async plug(link: BridgePort, mtu: number): Promise<void> { await join(`join ${link.hostName} to ${link.bridge}`, [{ link, mtu }]); }

  async unplug(hostName: string): Promise<void> {
    if ((await this.links()).some((link) => link.name === hostName)) await batch(`take ${hostName} off its bridge`, [`link set ${hostName} down nomaster`]);
  }

  async change({ path, isNew, removed, added, gateways, resolver }: NamespaceChange): Promise<void> {
    const what = `attach network namespace ${path}`;
    const host = added.flatMap(({ device, mac, mtu, link }) => link.kind === "macvlan" ? [`link add link ${link.parent} name ${device} address ${mac} netns ${path} type macvlan mode ${link.mode}`]
      : link.isThere ? [] : [`link add ${link.hostName} mtu ${mtu} type veth peer name ${device} address ${mac} mtu ${mtu} netns ${path}`]);
    if (host.length > 0) await batch(what, host);
    const settings = added.map((port) => `f=/proc/sys/net/ipv6/conf/${port.device}/disable_ipv6; [ ! -e $f ] || echo ${port.hasIpv6 ? 0 : 1} > $f`);
    const inside = [
      ...removed.map((device) => `link del ${device}`),
      ...added.flatMap((port) => [`link set ${port.device} address ${port.mac} mtu ${port.mtu}`, ...port.addresses.map((address) => addressLine(address, port.device)), `link set ${port.device} up`]),
    ];
    const script = [
      ...settings, `ip -batch - <<'END' || exit 1\n${inside.join("\n")}\nEND`,
      ...(isNew ? [] : ["ip -4 route del default 2>/dev/null; ip -6 route del default 2>/dev/null; true"]),
      `ip -batch - <<'END' || exit 1\n${gateways.map(({ address, device }) => `route replace default via ${address} dev ${device}`).join("\n")}\nEND`,
      ...(isNew && resolver === undefined ? [] : [`nft -f - <<'END' || exit 1\n${resolverRulesText(resolverTable, resolver)}\nEND`]),
    ].join("\n");
    await must(what, ["nsenter", `--net=${path}`, "--", "sh", "-c", script]);
    await join(what, added.flatMap(({ link, mtu }) => (link.kind === "veth" ? [{ link, mtu }] : [])));
  }

  async changePorts(table: string, removed: readonly PortElement[], added: readonly PortElement[]): Promise<void> {
    const keyOf = ({ hostAddress, hostPort }: PortElement) => (hostAddress === undefined ? String(hostPort) : `${hostAddress} . ${hostPort}`);
    const lines = [
      ...removed.map((element) => `delete element inet ${table} ${element.map} { ${keyOf(element)} }`),
      ...added.map((element) => `add element inet ${table} ${element.map} { ${keyOf(element)} : ${element.address} . ${element.port} }`),
    ];
    if (lines.length > 0) await must(`forward ports in table ${table}`, ["nft", "-f", "-"], `${lines.join("\n")}\n`);
  }

  /** Only where that tool is installed. */
  async forgetUdp(ports: readonly number[]): Promise<void> { for (const port of ports) await run(["conntrack", "-D", "-p", "udp", "--orig-port-dst", String(port)]); }

  close(): void {}
}

const addressLine = (address: string, device: string): string => `addr replace ${address} dev ${device} ${address.includes(":") ? "nodad" : "brd +"}`;
async function join(what: string, ports: readonly { readonly link: BridgePort; readonly mtu: number }[]): Promise<void> {
  if (ports.length === 0) return;
  await batch(what, ports.flatMap(({ link: { hostName, bridge, isIsolated, onlyMac }, mtu }) => [
    `link set ${hostName} addrgenmode none`, `link set ${hostName} mtu ${mtu} master ${bridge} up`,
    `link set ${hostName} type bridge_slave hairpin on isolated ${isIsolated ? "on" : "off"} flood ${onlyMac === undefined ? "on" : "off"}`,
  ]));
  const known = ports.flatMap(({ link: { hostName, onlyMac } }) => (onlyMac === undefined ? [] : [`fdb replace ${onlyMac} dev ${hostName} master static`]));
  if (known.length > 0) await must(what, ["bridge", "-batch", "-"], `${known.join("\n")}\n`);
}
const batch = (what: string, lines: readonly string[]): Promise<string> => must(what, ["ip", "-batch", "-"], `${lines.join("\n")}\n`);

async function must(what: string, argv: readonly string[], stdin = ""): Promise<string> {
  const result = await run(argv, { stdin });
  if (result.exitCode !== 0) throw new SwarmError("INTERNAL", `Cannot ${what}: ${result.stderr.trim().split("\n").slice(0, 3).join("; ") || "no reason given"}`);
  return result.stdout;
}
