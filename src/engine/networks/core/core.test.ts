import assert from "node:assert/strict";
import { SwarmError } from "../../../lib/index.js";
import { AddressPool } from "./address-pool.js";
import { changedHostsFile, hostsFile, resolvConf } from "./etc-files.js";
import { forwardingsOf, gatewayEndpoint, publishedEndpoint, renderHostRules } from "./host-rules.js";
import { formatIp, formatSubnet, isMac, macOf, overlaps, parseIp, parseSubnet } from "./ip-address.js";
import { initialMembers, nextDevice } from "./members.js";
import { buildNameTable } from "./name-table.js";
import { bridgeNameOf, hostLinkOf, isBridgeName, isHostLink, isLinkName, tagOf } from "./names.js";
import { chooseSubnet, planNetwork, type HostFacts, type NetworkRequest } from "./plan-network.js";
import { meets, portRequests } from "./port-request.js";
import type { EndpointRecord, NetworkRecord, SandboxRecord } from "./records.js";

const subnet = (text: string) => parseSubnet(text)!;
const ip = (text: string) => parseIp(text)!;
const id = (letter: string) => letter.repeat(64);
const facts = (more: Partial<HostFacts> = {}): HostFacts => ({
  tag: "abcd", networks: [], occupied: [], pools: [{ base: "172.20.0.0/15", prefix: 16 }], links: new Set(["lo", "eth0"]), defaultDevice: "eth0", hasIpv6: true, ...more,
});
const request = (more: Partial<NetworkRequest> = {}): NetworkRequest => ({ name: "front", driver: "bridge", isInternal: false, labels: {}, options: {}, ipam: [], ...more });
const plan = (more: Partial<NetworkRequest> = {}, host: Partial<HostFacts> = {}, networkId = id("a")) => planNetwork(request(more), networkId, 1, facts(host)).record;
const refusal = (more: Partial<NetworkRequest>, host: Partial<HostFacts> = {}): string => { try { plan(more, host); } catch (error) { if (error instanceof SwarmError) return `${error.code} ${error.message}`; throw error; } return "none"; };
const endpoint = (network: NetworkRecord, more: Partial<EndpointRecord> = {}): EndpointRecord => ({
  networkId: network.id, endpointId: id("e"), device: "eth0", hostLink: "se", mac: "", ipv4: "172.20.0.2", prefix4: 16, gateway4: network.isInternal ? "" : "172.20.0.1", ipv6: "", prefix6: 0, gateway6: "", names: [], links: [], ...more,
});
const sandbox = (name: string, endpoints: EndpointRecord[], more: Partial<SandboxRecord> = {}): SandboxRecord => ({
  containerId: `${name}00000000000000`, name, hostname: "", mode: "attached", joinedId: "", netnsPath: "/n", endpoints, ports: [], dns: [], links: [], hasResolver: true, ...more,
});
const byId = (...networks: NetworkRecord[]) => new Map(networks.map((network) => [network.id, network]));

describe("engine networks: addresses", () => {
  it("are read and written in both families", () => {
    for (const text of ["0.0.0.0", "255.255.255.255", "172.18.0.2", "::", "::1", "fd00::2", "1:2:3:4:5:6:7:8", "fd00:0:0:1::"]) assert.equal(formatIp(ip(text)), text);
    assert.equal(formatIp(ip("FD00:0000:0:0:0:0:0:01")), "fd00::1");
    assert.equal(formatIp(ip("::ffff:10.0.0.1")), "::ffff:a00:1");
    for (const text of ["", "1.2.3", "1.2.3.256", "1.2.3.4.5", ":::", "1::2::3", "fd00::g", "1:2:3:4:5:6:7", "12345::", "a.b.c.d", "1:2:3:4:5:6:7:8:9"]) assert.equal(parseIp(text), undefined, text);
    assert.equal(formatSubnet(subnet("172.18.5.9/16")), "172.18.0.0/16");
    assert.equal(formatSubnet(subnet("fd00:1::9/64")), "fd00:1::/64");
    for (const text of ["172.18.0.0", "172.18.0.0/33", "fd00::/129", "172.18.0.0/-1", "172.18.0.0/16/16", "x/8"]) assert.equal(parseSubnet(text), undefined, text);
    assert.ok(overlaps(subnet("172.16.0.0/12"), subnet("172.18.0.0/16")) && !overlaps(subnet("172.18.0.0/16"), subnet("172.19.0.0/16")) && !overlaps(subnet("0.0.0.0/0"), subnet("::/0")));
    assert.equal(macOf(ip("172.18.0.2")), "02:42:ac:12:00:02");
    assert.ok(isMac("02:42:ac:12:00:02") && isMac("02-42-AC-12-00-02") && !isMac("01:42:ac:12:00:02") && !isMac("00:00:00:00:00:00") && !isMac("x"));
  });

  it("are given out lowest first, each once, and again when given back", () => {
    const pool = new AddressPool(subnet("172.20.0.0/29"));
    const take = () => { const found = pool.takeNext(); return found && formatIp(found); };
    assert.deepEqual([take(), take(), take(), take(), take(), take(), take()], ["172.20.0.1", "172.20.0.2", "172.20.0.3", "172.20.0.4", "172.20.0.5", "172.20.0.6", undefined]);
    pool.give(ip("172.20.0.3"));
    assert.equal(pool.take(ip("172.20.0.4")), false);
    assert.equal(take(), "172.20.0.3");
    assert.equal(pool.take(ip("172.21.0.3")), false);
  });

  it("come from the range only, but static ones from all of the subnet", () => {
    const pool = new AddressPool(subnet("172.20.0.0/16"), subnet("172.20.240.0/30"));
    assert.ok(pool.take(ip("172.20.0.9")) && !pool.take(ip("172.20.0.9")) && !pool.take(ip("172.20.0.0")) && !pool.take(ip("172.20.255.255")));
    assert.deepEqual([1, 2, 3, 4, 5].map(() => { const found = pool.takeNext(); return found && formatIp(found); }), ["172.20.240.0", "172.20.240.1", "172.20.240.2", "172.20.240.3", undefined]);
  });

  it("of a huge subnet cost little memory and stay distinct", () => {
    const pool = new AddressPool(subnet("fd00::/64"));
    const seen = new Set<string>();
    for (let i = 0; i < 5_000; i++) seen.add(formatIp(pool.takeNext()!));
    assert.equal(seen.size, 5_000);
    assert.ok(seen.has("fd00::1") && !seen.has("fd00::"));
    assert.ok(pool.take(ip("fd00::ffff:ffff:ffff:ffff")) && pool.isTaken(ip("fd00::ffff:ffff:ffff:ffff")));
    pool.give(ip("fd00::ffff:ffff:ffff:ffff"));
    assert.ok(!pool.isTaken(ip("fd00::ffff:ffff:ffff:ffff")));
  });
});

describe("engine networks: a plan", () => {
  it("chooses a subnet that no route and no other network has", () => {
    assert.equal(plan().pools[0]!.subnet, "172.20.0.0/16");
    assert.equal(plan({}, { occupied: [subnet("172.20.4.0/24"), subnet("0.0.0.0/0")] }).pools[0]!.subnet, "172.21.0.0/16");
    const other = { ...plan({ name: "other" }), id: id("b") };
    assert.deepEqual(plan({}, { networks: [other] }).pools[0], { subnet: "172.21.0.0/16", ipRange: "", gateway: "172.21.0.1", auxiliary: {} });
    assert.match(refusal({}, { networks: [other], occupied: [subnet("172.21.0.0/16")] }), /RESOURCE_EXHAUSTED .*fully subnetted/);
    assert.equal(chooseSubnet([{ base: "192.168.0.0/16", prefix: 24 }], [subnet("192.168.0.0/23")])!.base, subnet("192.168.2.0/24").base);
  });

  it("takes subnet, range, gateway and auxiliary addresses as they are asked for", () => {
    const record = plan({ hasIpv6: true, ipam: [{ subnet: "172.28.0.5/16", ipRange: "172.28.5.0/24", gateway: "172.28.5.254", auxiliary: { router: "172.28.1.5" } }] });
    assert.deepEqual(record.pools[0], { subnet: "172.28.0.0/16", ipRange: "172.28.5.0/24", gateway: "172.28.5.254", auxiliary: { router: "172.28.1.5" } });
    assert.match(record.pools[1]!.subnet, /^fdaa:aaaa:aaaa::\/64$/);
    assert.equal(plan({ ipam: [{ subnet: "172.28.0.0/16", auxiliary: { a: "172.28.0.1" } }] }).pools[0]!.gateway, "172.28.0.2");
    assert.equal(plan({ ipam: [{ subnet: "fd12::/64" }] }).hasIpv6, true);
  });

  it("refuses what cannot be, in words", () => {
    const refused: [Partial<NetworkRequest>, RegExp][] = [
      [{ name: "" }, /INVALID_ARGUMENT/], [{ name: "a b" }, /INVALID_ARGUMENT/], [{ name: "-x" }, /INVALID_ARGUMENT/], [{ name: "../x" }, /INVALID_ARGUMENT/], [{ name: "host" }, /PERMISSION_DENIED .*predefined/],
      [{ driver: "overlay" }, /FAILED_PRECONDITION .*swarmctl network create/], [{ driver: "host" }, /PERMISSION_DENIED/], [{ driver: "weave" }, /NOT_FOUND .*"weave"/], [{ driver: "ipvlan" }, /macvlan/],
      [{ ipamDriver: "dhcp" }, /NOT_FOUND/], [{ ipam: [{ subnet: "x" }] }, /invalid subnet x/], [{ ipam: [{ subnet: "172.28.0.0/31" }] }, /too small/], [{ ipam: [{ subnet: "0.0.0.0/0" }] }, /too large/],
      [{ ipam: [{ subnet: "172.28.0.0/16", gateway: "172.29.0.1" }] }, /no matching subnet for gateway/], [{ ipam: [{ subnet: "172.28.0.0/16", gateway: "172.28.255.255" }] }, /first or last/],
      [{ ipam: [{ subnet: "172.28.0.0/16", ipRange: "172.29.0.0/24" }] }, /not within/], [{ ipam: [{ subnet: "", gateway: "1.2.3.4" }] }, /need a subnet/],
      [{ ipam: [{ subnet: "172.28.0.0/16" }, { subnet: "172.28.4.0/24" }] }, /overlap/], [{ ipam: [{ subnet: "172.28.0.0/16" }, { subnet: "172.29.0.0/16" }] }, /more than one IPv4/],
      [{ options: { "com.docker.network.driver.mtu": "9" } }, /mtu/], [{ options: { "com.docker.network.bridge.enable_icc": "maybe" } }, /true or false/],
      [{ options: { "com.docker.network.bridge.name": "a name that is too long" } }, /1 to 15/], [{ options: { "com.docker.network.bridge.name": "eth0" } }, /"eth0" is on this host already/],
      [{ driver: "macvlan", options: { parent: "eth9" } }, /"eth9" is not on this host/], [{ driver: "macvlan", options: { parent: "eth9.10" } }, /"eth9"/], [{ driver: "macvlan", options: { parent: "eth0.5000" } }, /1 to 4094/],
      [{ driver: "macvlan", options: { macvlan_mode: "x" } }, /macvlan mode/],
    ];
    for (const [more, expected] of refused) assert.match(refusal(more), expected, JSON.stringify(more));
    assert.match(refusal({ hasIpv6: true }, { hasIpv6: false }), /no IPv6/);
    assert.match(refusal({ ipam: [{ subnet: "172.28.0.0/24" }] }, { occupied: [subnet("172.28.0.0/16")] }), /172.28.0.0\/16, which this host has a route to/);
    const other = plan({ name: "other", ipam: [{ subnet: "172.28.0.0/16" }] });
    assert.match(refusal({ ipam: [{ subnet: "172.28.9.0/24" }] }, { networks: [other] }), /Pool overlaps .*"other"/);
    assert.match(refusal({ name: "other" }, { networks: [other] }), /ALREADY_EXISTS .*network with name other already exists/);
  });

  it("understands options, and warns of those that it does not know", () => {
    const { record, warnings } = planNetwork(request({ options: { "com.docker.network.bridge.enable_icc": "false", "com.docker.network.bridge.enable_ip_masquerade": "0", "com.docker.network.driver.mtu": "1400", "com.docker.network.bridge.host_binding_ipv4": "127.0.0.1", x: "y" } }), id("a"), 1, facts());
    assert.deepEqual({ ...record.settings }, { link: "snabcd-aaaaaaaa", vlan: undefined, macvlanMode: "bridge", mtu: 1400, hasIcc: false, isMasqueraded: false, hostIp: "127.0.0.1" });
    assert.equal(warnings.length, 1);
    assert.deepEqual(plan({ driver: "macvlan", options: { parent: "eth0.42" } }).settings.vlan, { parent: "eth0", id: 42 });
  });

  it("names kernel objects so that engines on one host do not meet", () => {
    assert.notEqual(tagOf("/var/lib/a"), tagOf("/var/lib/b"));
    for (const name of [bridgeNameOf("abcd", id("f")), hostLinkOf("abcd", "01234567")]) assert.ok(isLinkName(name), name);
    assert.ok(isBridgeName("abcd", bridgeNameOf("abcd", id("f"))) && !isBridgeName("abce", bridgeNameOf("abcd", id("f"))) && isHostLink("abcd", hostLinkOf("abcd", "01234567")) && !isHostLink("abcd", "sp0123456789.0"));
    assert.ok(!isLinkName("a/b") && !isLinkName("") && !isLinkName("0123456789abcdef"));
  });
});

describe("engine networks: ports", () => {
  const options = { publishAll: false, defaultHostIp: "", hasIpv6: false };
  const binding = (hostPort: string, hostIp = "", containerPort = 80, protocol = "tcp") => ({ containerPort, protocol, hostIp, hostPort });
  it("are numbers, ranges, or chosen; at one address or at all", () => {
    assert.deepEqual(portRequests([binding("8080")], [], options), [{ containerPort: 80, protocol: "tcp", hostIps: ["0.0.0.0"], first: 8080, last: 8080 }]);
    assert.deepEqual(portRequests([binding("8000-8010", "127.0.0.1")], [], options)[0], { containerPort: 80, protocol: "tcp", hostIps: ["127.0.0.1"], first: 8000, last: 8010 });
    assert.deepEqual(portRequests([binding("")], [], { ...options, hasIpv6: true })[0]!.hostIps, ["0.0.0.0", "::"]);
    assert.deepEqual(portRequests([binding("", "[fd00::1]")], [], { ...options, hasIpv6: true })[0]!.hostIps, ["fd00::1"]);
    assert.deepEqual(portRequests([binding("")], [], { ...options, defaultHostIp: "127.0.0.1" })[0]!.hostIps, ["127.0.0.1"]);
  });
  it("that are exposed are published only when all are", () => {
    assert.equal(portRequests([], ["80/tcp"], options).length, 0);
    assert.deepEqual(portRequests([binding("8080")], ["80", "90-91/udp"], { ...options, publishAll: true }).map((each) => `${each.containerPort}/${each.protocol}:${each.first}`), ["80/tcp:8080", "90/udp:0", "91/udp:0"]);
  });
  it("that cannot be are refused, with what was asked for", () => {
    for (const wrong of [binding("99999"), binding("0-10"), binding("10-5"), binding("x"), binding("80", "nowhere"), binding("80", "", 0), binding("80", "", 70_000), binding("80", "", 80, "icmp"), binding("80", "::"), binding("80", "::1")]) assert.throws(() => portRequests([wrong], [], options), /cannot be published/);
  });
  it("meet at one address, and at all of its family", () => {
    assert.ok(meets("0.0.0.0", "127.0.0.1") && meets("10.0.0.1", "10.0.0.1") && meets("::1", "::") && !meets("10.0.0.1", "10.0.0.2") && !meets("0.0.0.0", "::"));
  });
});

describe("engine networks: rules", () => {
  const front = plan({ name: "front" });
  const zeta = { ...plan({ name: "zeta" }, { networks: [front] }, id("c")) };
  const inner = { ...plan({ name: "alpha", isInternal: true }, { networks: [front, zeta], pools: [{ base: "172.24.0.0/16", prefix: 16 }] }, id("d")) };
  it("lead out by the network whose name comes first, and never by an internal one", () => {
    const endpoints = [endpoint(zeta, { gateway4: "172.21.0.1", device: "eth0" }), endpoint(inner, { device: "eth1" }), endpoint(front, { device: "eth2" })];
    assert.equal(gatewayEndpoint(endpoints, byId(front, zeta, inner), 4)!.device, "eth2");
    assert.equal(gatewayEndpoint([endpoints[1]!], byId(inner), 4), undefined);
    assert.equal(publishedEndpoint([endpoints[1]!], byId(inner)), undefined);
  });
  it("forward what is published to where the container is, and only in families that it has", () => {
    const ports = [{ containerPort: 80, protocol: "tcp", hostIp: "0.0.0.0", hostPort: 8080 }, { containerPort: 53, protocol: "udp", hostIp: "127.0.0.1", hostPort: 53 }, { containerPort: 80, protocol: "tcp", hostIp: "::", hostPort: 8080 }] as const;
    const four = forwardingsOf(sandbox("web", [endpoint(front)], { ports }), byId(front));
    assert.deepEqual(four.map((each) => [each.map, each.hostAddress, each.hostPort, each.address, each.port]), [["tcp4_any", undefined, 8080, "172.20.0.2", 80], ["udp4_one", "127.0.0.1", 53, "172.20.0.2", 53]]);
    assert.equal(forwardingsOf(sandbox("web", [endpoint(front, { ipv6: "fd00::2" })], { ports }), byId(front))[2]!.map, "tcp6_any");
    assert.deepEqual(forwardingsOf(sandbox("web", [endpoint(inner)], { ports }), byId(inner)), []);
    const text = renderHostRules({ table: "t", networks: [front, inner], forwardings: four, dnsPort: 10_054 });
    assert.match(text, /elements = \{ 8080 : 172\.20\.0\.2 \. 80 \}/);
    assert.match(text, /ip saddr 172\.20\.0\.0\/16 oifname != "snabcd-aaaaaaaa" masquerade/);
    assert.ok(!text.includes(`ip saddr ${inner.pools[0]!.subnet} oifname !=`));
  });
});

describe("engine networks: names", () => {
  const front = plan({ name: "front" });
  const bridge: NetworkRecord = { ...plan({ name: "x" }, { networks: [front] }, id("c")), name: "bridge", isPredefined: true };
  const web = sandbox("web", [endpoint(front, { ipv4: "172.20.0.2", ipv6: "fd00::2", names: ["www", "shared"] })], { hostname: "webhost" });
  const db = sandbox("db", [endpoint(front, { ipv4: "172.20.0.3", names: ["shared"], links: [{ containerId: web.containerId, alias: "frontend" }] }), endpoint(bridge, { ipv4: "172.21.0.3" })]);
  const lone = sandbox("lone", [endpoint(bridge, { ipv4: "172.21.0.9" })]);
  const table = buildNameTable(byId(front, bridge), [web, db, lone], (containerId) => (containerId === db.containerId ? "renamed" : undefined));
  const ask = (from: string, name: string) => table.addressesOf(table.clientAt(from)!, name);
  it("are a container's own, its aliases, its short id and its host name, on the networks that both share", () => {
    assert.deepEqual(ask("172.20.0.3", "WEB"), ["172.20.0.2", "fd00::2"]);
    for (const name of ["www", "webhost", web.containerId.slice(0, 12), "web.front", "frontend", "web."]) assert.deepEqual(ask("172.20.0.3", name), ["172.20.0.2", "fd00::2"], name);
    assert.deepEqual(ask("172.20.0.2", "shared"), ["172.20.0.2", "fd00::2", "172.20.0.3"]);
    assert.deepEqual(ask("172.20.0.2", "renamed"), ["172.20.0.3"]);
    assert.equal(ask("172.20.0.2", "db"), undefined);
    assert.equal(ask("172.20.0.2", "frontend"), undefined);
    assert.equal(table.nameOf(table.clientAt("172.20.0.2")!, "172.20.0.3"), "renamed.front");
  });
  it("are nobody's on the predefined bridge, and strangers have none", () => {
    assert.equal(ask("172.21.0.9", "renamed"), undefined);
    assert.equal(table.clientAt("172.21.0.77"), undefined);
  });
  it("networks of a container: its mode's own first, then by name", () => {
    const same = (a: string, b: string) => a === b;
    assert.deepEqual(initialMembers({ mode: "front", endpoints: { zeta: {}, alpha: {}, front: { aliases: ["a"] } } }, same).map((member) => member.network), ["front", "alpha", "zeta"]);
    assert.deepEqual(initialMembers({ mode: "default", endpoints: {} }, same).map((member) => member.network), ["bridge"]);
    assert.deepEqual(initialMembers({ mode: "host", endpoints: { front: {} } }, same), []);
    assert.equal(nextDevice(["eth0", "eth2"]), "eth1");
  });
});

describe("engine networks: /etc", () => {
  it("hosts has the container's own line last, links and extra hosts before", () => {
    const text = hostsFile({ hostname: "box", domainname: "example.org", addresses: ["172.20.0.2"], extraHosts: ["gw:host-gateway", "six:[fd00::1]", "six2:fd00::2", "eq=1.2.3.4"], hostGateway: "172.20.0.1", linked: [{ address: "172.20.0.9", names: ["db", "abc"] }] });
    assert.deepEqual(text.split("\n").slice(6), ["172.20.0.9\tdb abc", "172.20.0.1\tgw", "fd00::1\tsix", "fd00::2\tsix2", "1.2.3.4\teq", "172.20.0.2\tbox.example.org box", ""]);
    const own = (hostname: string) => hostsFile({ hostname, domainname: "", addresses: ["172.20.0.2"], extraHosts: [], hostGateway: undefined, linked: [] }).trim().split("\n").at(-1);
    assert.deepEqual([own("box"), own("h.x.y")], ["172.20.0.2\tbox", "172.20.0.2\th.x.y h"]);
    for (const wrong of ["x", ":1.2.3.4", "x:nowhere", "x:", "a b:1.2.3.4", "x:1.2.3.4\n5.6.7.8 y"]) assert.throws(() => hostsFile({ hostname: "b", domainname: "", addresses: [], extraHosts: [wrong], hostGateway: undefined, linked: [] }), /extra host/, wrong);
  });
  it("hosts keeps what the container wrote when addresses come and go", () => {
    assert.equal(changedHostsFile("127.0.0.1\tlocalhost\n172.20.0.2\tbox\n9.9.9.9\tmine", ["172.20.0.2"], ["172.21.0.2"], "box", ""), "127.0.0.1\tlocalhost\n9.9.9.9\tmine\n172.21.0.2\tbox\n");
  });
  it("resolv.conf follows the host, unless something is asked for", () => {
    const ofHost = "# x\nnameserver 127.0.0.53\nnameserver 10.0.0.1\nsearch corp example\noptions edns0\n";
    const base = { ofHost, servers: [], search: [], options: [], hasResolver: false };
    assert.equal(resolvConf(base), "nameserver 10.0.0.1\nsearch corp example\noptions edns0\n");
    assert.equal(resolvConf({ ...base, hasResolver: true }), "nameserver 127.0.0.11\nsearch corp example\noptions edns0 ndots:0\n");
    assert.equal(resolvConf({ ...base, servers: ["9.9.9.9"], search: ["."], options: ["ndots:3"], hasResolver: false }), "nameserver 9.9.9.9\noptions ndots:3\n");
  });
});
