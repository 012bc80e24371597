import { SwarmError } from "../../../lib/index.js";
import { contains, formatIp, formatSubnet, addressAt, isWithin, overlaps, parseIp, parseSubnet, sizeOf, type Subnet } from "./ip-address.js";
import { bridgeNameOf, isLinkName } from "./names.js";
import type { NetworkRecord, NetworkSettingsRecord, PoolRecord } from "./records.js";

/** A network as it is asked for. */
export interface NetworkRequest {
  readonly name: string;
  readonly driver: string;
  readonly isInternal: boolean;
  readonly isAttachable?: boolean;
  readonly hasIpv6?: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  readonly ipam: readonly { readonly subnet: string; readonly ipRange?: string; readonly gateway?: string; readonly auxiliary?: Readonly<Record<string, string>> }[];
  readonly ipamDriver?: string;
  readonly ipamOptions?: Readonly<Record<string, string>>;
}

export interface HostFacts {
  readonly tag: string;
  readonly networks: readonly NetworkRecord[];
  /** Subnets that routes of this host lead to, and such as are kept free for others. */
  readonly occupied: readonly Subnet[];
  readonly pools: readonly AddressPoolOption[];
  readonly links: ReadonlySet<string>;
  /** Who holds the default route: macvlan's parent when none is named. */
  readonly defaultDevice: string;
  readonly hasIpv6: boolean;
}

/** Subnets of this size are cut out of the base, first to last. */
export interface AddressPoolOption { readonly base: string; readonly prefix: number }

export const predefined = ["bridge", "host", "none"] as const;
const knownBridgeOptions = new Set([
  "com.docker.network.bridge.name", "com.docker.network.bridge.enable_icc", "com.docker.network.bridge.enable_ip_masquerade", "com.docker.network.bridge.host_binding_ipv4",
  "com.docker.network.bridge.default_bridge", "com.docker.network.driver.mtu",
]);

/** The whole network, every choice made, or the reason why not. */
export function planNetwork(request: NetworkRequest, id: string, createdAtMs: number, host: HostFacts): { record: NetworkRecord; warnings: string[] } {
  const { name, driver } = request;
  const refuse = (code: ConstructorParameters<typeof SwarmError>[0], why: string): never => { throw new SwarmError(code, `Cannot create network "${name.slice(0, 80)}": ${why}`); };
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name)) refuse("INVALID_ARGUMENT", "a name begins with a letter or digit, and has letters, digits, \"_\", \".\" and \"-\" only");
  if (name.length > 255) refuse("INVALID_ARGUMENT", "its name is longer than 255 characters; shorten it");
  if ((predefined as readonly string[]).includes(name)) refuse("PERMISSION_DENIED", `operation is not permitted on predefined ${name} network; choose another name`);
  if (host.networks.some((network) => network.name === name)) refuse("ALREADY_EXISTS", `network with name ${name} already exists; choose another name, or remove that one first`);
  switch (driver) {
    case "bridge": case "macvlan": break;
    case "overlay": refuse("FAILED_PRECONDITION", "overlay networks are the cluster's; create it on a manager with: swarmctl network create"); break;
    case "host": case "null": refuse("PERMISSION_DENIED", `only one instance of "${driver}" network is allowed, and it is there`); break;
    case "ipvlan": refuse("FAILED_PRECONDITION", "there is no driver \"ipvlan\"; use macvlan"); break;
    default: refuse("NOT_FOUND", `there is no network driver "${driver.slice(0, 80)}"; use bridge or macvlan`);
  }
  if (request.ipamDriver && request.ipamDriver !== "default" && request.ipamDriver !== "null") refuse("NOT_FOUND", `there is no address driver "${request.ipamDriver}"; leave it out, or use default`);
  if (request.hasIpv6 && !host.hasIpv6) refuse("FAILED_PRECONDITION", "this host's kernel has no IPv6; leave --ipv6 out");

  const warnings = driver === "bridge" ? Object.keys(request.options).filter((key) => !knownBridgeOptions.has(key)).map((key) => `option "${key}" is not known to driver bridge and is ignored`) : [];
  const settings = settingsOf(request, id, host, refuse);
  const taken = [...host.occupied, ...host.networks.flatMap((network) => network.pools).map((pool) => parseSubnet(pool.subnet)!)];
  const asked = request.ipam.filter((pool) => pool.subnet !== "");
  for (const pool of request.ipam) if (pool.subnet === "" && (pool.gateway || pool.ipRange || Object.keys(pool.auxiliary ?? {}).length > 0)) refuse("INVALID_ARGUMENT", "a gateway, a range or auxiliary addresses need a subnet; give one");
  const pools: PoolRecord[] = [];
  for (const pool of asked) {
    const planned = planPool(pool, request.isInternal && driver === "macvlan", refuse);
    const subnet = parseSubnet(planned.subnet)!;
    if (subnet.family === 6 && !host.hasIpv6) refuse("FAILED_PRECONDITION", `this host's kernel has no IPv6, of which ${planned.subnet} is`);
    const other = host.networks.find((network) => network.pools.some((each) => overlaps(parseSubnet(each.subnet)!, subnet)));
    if (other) refuse("FAILED_PRECONDITION", `Pool overlaps with other one on this address space: ${planned.subnet} and "${other.name}"'s ${other.pools.map((each) => each.subnet).join(", ")}; choose another subnet`);
    if (pools.some((each) => overlaps(parseSubnet(each.subnet)!, subnet))) refuse("INVALID_ARGUMENT", `its own subnets overlap at ${planned.subnet}`);
    const occupied = driver === "bridge" && host.occupied.find((each) => each.prefix > 0 && overlaps(each, subnet));
    if (occupied) refuse("FAILED_PRECONDITION", `${planned.subnet} overlaps ${formatSubnet(occupied)}, which this host has a route to; choose another subnet`);
    pools.push(planned);
  }
  const has = (family: 4 | 6) => pools.some((pool) => parseSubnet(pool.subnet)!.family === family);
  for (const family of [4, 6] as const) if (pools.filter((pool) => parseSubnet(pool.subnet)!.family === family).length > 1) refuse("INVALID_ARGUMENT", `it has more than one IPv${family} subnet; give one of each family`);
  if (!has(4)) {
    const subnet = chooseSubnet(host.pools, taken) ?? refuse("RESOURCE_EXHAUSTED", `all predefined address pools have been fully subnetted (${host.pools.map((pool) => `${pool.base} by /${pool.prefix}`).join(", ")}); remove networks, or give a subnet`);
    pools.unshift(wholePool(subnet));
  }
  if (request.hasIpv6 && !has(6)) {
    // A unique local prefix (RFC 4193) that follows from the network's id.
    const subnet = parseSubnet(`fd${id.slice(0, 2)}:${id.slice(2, 6)}:${id.slice(6, 10)}::/64`)!;
    pools.push(wholePool(subnet));
  }
  return {
    record: {
      id, name, driver: driver as "bridge" | "macvlan", isInternal: request.isInternal, isAttachable: request.isAttachable ?? false, hasIpv6: pools.some((pool) => pool.subnet.includes(":")),
      labels: request.labels, options: request.options, pools, ipamDriver: request.ipamDriver || "default", ipamOptions: request.ipamOptions ?? {}, createdAtMs, isPredefined: false, settings,
    },
    warnings,
  };
}

type Refuse = (code: ConstructorParameters<typeof SwarmError>[0], why: string) => never;

function planPool(pool: NetworkRequest["ipam"][number], isWithoutGateway: boolean, refuse: Refuse): PoolRecord {
  const subnet = parseSubnet(pool.subnet) ?? refuse("INVALID_ARGUMENT", `invalid subnet ${pool.subnet.slice(0, 80)}: write it like 172.28.0.0/16`);
  if (subnet.family === 4 ? subnet.prefix < 8 || subnet.prefix > 30 : subnet.prefix < 16 || subnet.prefix > 126) refuse("INVALID_ARGUMENT", `subnet ${pool.subnet} is too ${subnet.prefix > 29 ? "small" : "large"}; give one from /8 to /30, or for IPv6 from /16 to /126`);
  const range = pool.ipRange ? parseSubnet(pool.ipRange) ?? refuse("INVALID_ARGUMENT", `invalid range ${pool.ipRange.slice(0, 80)}: write it like 172.28.5.0/24`) : undefined;
  if (range && !isWithin(subnet, range)) refuse("INVALID_ARGUMENT", `range ${pool.ipRange} is not within subnet ${pool.subnet}`);
  const inSubnet = (what: string, text: string): string => {
    const ip = parseIp(text) ?? refuse("INVALID_ARGUMENT", `invalid ${what} ${text.slice(0, 80)}: it is no address`);
    if (!contains(subnet, ip)) refuse("INVALID_ARGUMENT", `no matching subnet for ${what} ${text}: it is not within ${formatSubnet(subnet)}`);
    const isEdge = ip.value === subnet.base || (subnet.family === 4 && ip.value === subnet.base + sizeOf(subnet) - 1n);
    if (isEdge) refuse("INVALID_ARGUMENT", `${what} ${text} is the first or last address of ${formatSubnet(subnet)}; choose one in between`);
    return formatIp(ip);
  };
  const auxiliary = Object.fromEntries(Object.entries(pool.auxiliary ?? {}).map(([key, text]) => [key, inSubnet("auxiliary address", text)]));
  const gateway = pool.gateway ? inSubnet("gateway", pool.gateway) : isWithoutGateway ? "" : freeGateway(range ?? subnet, subnet, new Set(Object.values(auxiliary)));
  if (gateway !== "" && Object.values(auxiliary).includes(gateway)) refuse("INVALID_ARGUMENT", `${gateway} is both gateway and auxiliary address; give two`);
  return { subnet: formatSubnet(subnet), ipRange: range ? formatSubnet(range) : "", gateway, auxiliary };
}

function freeGateway(range: Subnet, subnet: Subnet, taken: ReadonlySet<string>): string {
  for (let offset = range.base === subnet.base ? 1n : 0n; offset < sizeOf(range); offset++) {
    const text = formatIp(addressAt(range, offset));
    if (!taken.has(text)) return text;
  }
  return "";
}

/** All of a subnet, its first address the gateway. */
export const wholePool = (subnet: Subnet): PoolRecord => ({ subnet: formatSubnet(subnet), ipRange: "", gateway: formatIp(addressAt(subnet, 1n)), auxiliary: {} });

/** The first subnet of the pools that nothing else uses. */
export function chooseSubnet(pools: readonly AddressPoolOption[], taken: readonly Subnet[]): Subnet | undefined {
  const occupied = taken.filter((subnet) => subnet.prefix > 0);   // a default route leads everywhere and occupies nothing
  for (const pool of pools) {
    const base = parseSubnet(pool.base);
    if (!base || base.prefix > pool.prefix) continue;
    const count = 1n << BigInt(pool.prefix - base.prefix);
    for (let index = 0n; index < count; index++) {
      const subnet: Subnet = { family: base.family, base: base.base + index * (1n << BigInt((base.family === 4 ? 32 : 128) - pool.prefix)), prefix: pool.prefix };
      if (!occupied.some((other) => overlaps(other, subnet))) return subnet;
    }
  }
  return undefined;
}

function settingsOf(request: NetworkRequest, id: string, host: HostFacts, refuse: Refuse): NetworkSettingsRecord {
  const { options, driver } = request;
  const boolean = (key: string, otherwise: boolean): boolean => {
    const text = options[key];
    if (text === undefined || text === "") return otherwise;
    if (/^(1|t|true)$/i.test(text)) return true;
    if (/^(0|f|false)$/i.test(text)) return false;
    return refuse("INVALID_ARGUMENT", `option "${key}" is "${text.slice(0, 80)}"; give true or false`);
  };
  const mtuText = options["com.docker.network.driver.mtu"] ?? "";
  const mtu = mtuText === "" ? 0 : Number(mtuText);
  if (!Number.isInteger(mtu) || (mtu !== 0 && (mtu < 68 || mtu > 65_535))) refuse("INVALID_ARGUMENT", `option "com.docker.network.driver.mtu" is "${mtuText.slice(0, 80)}"; give a number from 68 to 65535`);
  const freeName = (name: string): string => {
    if (!isLinkName(name)) refuse("INVALID_ARGUMENT", `"${name.slice(0, 80)}" is no name for a link: 1 to 15 characters without spaces, "/" and ":"`);
    const owner = host.networks.find((network) => network.settings.link === name);
    if (owner) refuse("FAILED_PRECONDITION", `bridge "${name}" belongs to network "${owner.name}"; choose another name`);
    return name;
  };
  if (driver === "bridge") {
    const asked = options["com.docker.network.bridge.name"] ?? "";
    if (asked !== "" && host.links.has(freeName(asked))) refuse("FAILED_PRECONDITION", `a link "${asked}" is on this host already; choose another name, or remove it with: ip link del ${asked}`);
    const hostIp = options["com.docker.network.bridge.host_binding_ipv4"] ?? "";
    if (hostIp !== "" && parseIp(hostIp)?.family !== 4) refuse("INVALID_ARGUMENT", `option "com.docker.network.bridge.host_binding_ipv4" is "${hostIp.slice(0, 80)}", which is no IPv4 address`);
    return {
      link: asked || bridgeNameOf(host.tag, id), vlan: undefined, macvlanMode: "bridge", mtu, hostIp: hostIp === "0.0.0.0" ? "" : hostIp,
      hasIcc: boolean("com.docker.network.bridge.enable_icc", true), isMasqueraded: boolean("com.docker.network.bridge.enable_ip_masquerade", true),
    };
  }
  const mode = options["macvlan_mode"] ?? options["mode"] ?? "bridge";
  if (mode !== "bridge" && mode !== "private" && mode !== "vepa" && mode !== "passthru") return refuse("INVALID_ARGUMENT", `macvlan mode "${mode.slice(0, 80)}" is not known; use bridge, private, vepa or passthru`);
  const parent = options["parent"] ?? host.defaultDevice;
  if (parent === "") refuse("FAILED_PRECONDITION", "this host has no default route whose link could be the parent; name one with -o parent=LINK");
  if (!isLinkName(parent)) refuse("INVALID_ARGUMENT", `parent "${parent.slice(0, 80)}" is no name of a link`);
  const owner = host.networks.find((network) => network.driver === "macvlan" && network.settings.link === parent && network.settings.macvlanMode === "passthru");
  if (owner) refuse("FAILED_PRECONDITION", `network "${owner.name}" has all of link "${parent}" (mode passthru)`);
  const tagged = /^(.+)\.(\d{1,4})$/.exec(parent);
  const isMade = !host.links.has(parent) && tagged !== null;
  if (isMade && (Number(tagged[2]) < 1 || Number(tagged[2]) > 4094)) refuse("INVALID_ARGUMENT", `VLAN ${tagged[2]} of parent "${parent}" is not from 1 to 4094`);
  if (isMade && !host.links.has(tagged[1]!)) refuse("FAILED_PRECONDITION", `link "${tagged[1]}", of which parent "${parent}" would be a VLAN, is not on this host`);
  if (!isMade && !host.links.has(parent)) refuse("FAILED_PRECONDITION", `parent link "${parent}" is not on this host; name one of ${[...host.links].filter((name) => name !== "lo").slice(0, 10).join(", ")}`);
  return { link: parent, vlan: isMade ? { parent: tagged[1]!, id: Number(tagged[2]) } : undefined, macvlanMode: mode, mtu, hostIp: "", hasIcc: true, isMasqueraded: false };
}
