import assert from "node:assert/strict";
import type { Network } from "../../model/index.js";
import { endpoint, endpointSet, network, sandbox } from "../testing/states.js";
import { balanceOf, withdrawnBackends } from "./balance.js";
import { desiredHost, type DesiredHostInput } from "./desired-host.js";
import { assumeDone, diffHost, type ObservedHost } from "./diff-host.js";
import { buildDnsTable } from "./dns-table.js";
import { hostNetworks } from "./host-network.js";
import { publishedPorts, renderHostRules } from "./host-rules.js";
import { nextLocalAddress } from "./local-pool.js";
import { isOurLink, vethName } from "./names.js";
import { hostsOf, planSandbox, type SandboxRecord } from "./sandbox.js";
import { isSandboxListing, renderBalanceChange, renderSandboxRules } from "./sandbox-rules.js";
import { fillSlots, slotSizeFor } from "./slots.js";

const n1 = { id: "n1", addr: "198.18.0.1" };
const n2 = { id: "n2", addr: "198.18.0.2" };
const n3 = { id: "n3", addr: "198.18.0.3" };
const front = network("front", 1);
const dark = network("dark", 3, { isInternal: true });
const ingress = network("ingress", 4, { isIngress: true });
const nodes = [{ networkId: "ingress", nodes: [n1, n2].map((node, i) => ({ nodeId: node.id, addr: `10.9.4.${101 + i}/24`, mac: "", vtep: node.addr })) }];
const views = (networks: readonly Network[]) => hostNetworks(networks, nodes, { nodeId: "n1", underlayMtu: 1500 });
const local = { addr: "172.30.0.2", prefix: 16, gateway: "172.30.0.1", mtu: 1500 };
const plan = (spec: ReturnType<typeof sandbox>, networks: readonly Network[]): SandboxRecord =>
  planSandbox({ ...spec, networks, hostNetworks: views(networks), local });
const empty: ObservedHost = { links: [], addresses: [], forwarding: [], neighbours: [] };

const input = (fields: Partial<DesiredHostInput> = {}): DesiredHostInput => ({
  nodeId: "n1", dataPort: 4789, nodeAddr: n1.addr, networks: views([front]), nodeAttachments: [], sandboxes: [], local,
  endpoints: [endpointSet("front", "web", "10.9.1.2", [endpoint("web.1", "10.9.1.11", n1), endpoint("web.2", "10.9.1.12", n2, false)])], ...fields,
});

describe("the desired state of a host", () => {
  it("has a row for every endpoint elsewhere, ready or not, and none for its own", () => {
    assert.deepEqual(desiredHost(input()).remotes, [{ tunnel: "sv1001", addr: "10.9.1.12", mac: "02:42:0a:09:01:0c", vtep: n2.addr }]);
  });
  it("has no tunnel before the node's own address is known, but its bridges", () => {
    const desired = desiredHost(input({ nodeAddr: "" }));
    assert.deepEqual([desired.bridges.length, desired.tunnels.length, desired.remotes.length], [1, 0, 0]);
  });
  it("believes its own kernel rather than an old view about an address that is plumbed here", () => {
    const record = plan(sandbox("moved.1", [["front", "10.9.1.12"]]), [front]);
    assert.deepEqual(desiredHost(input({ sandboxes: [record] })).remotes, []);
  });
  it("has the gateway on a bridge, the same everywhere, and on the ingress its own address", () => {
    const desired = desiredHost(input({ networks: views([front, ingress]), nodeAttachments: nodes }));
    assert.deepEqual(desired.bridges.map((b) => [b.name, b.addr, b.mac]), [["sb1001", "10.9.1.1", "02:42:0a:09:01:01"], ["sb1004", "10.9.4.101", "02:42:0a:09:04:65"]]);
    assert.equal(desired.remotes.some((row) => row.addr === "10.9.4.102" && row.vtep === n2.addr), true, "the other node's ingress address");
  });
  it("takes nothing into a batch that is not an address", () => {
    const bad = endpointSet("front", "web", "", [{ ...endpoint("x.1", "10.9.1.13", n2), addr: "10.9.1.13\nlink del eth0" }, { ...endpoint("x.2", "10.9.1.14", n2), mac: "x; y" }]);
    assert.deepEqual(desiredHost(input({ endpoints: [bad] })).remotes.map((row) => [row.addr, row.mac]), [["10.9.1.14", "02:42:0a:09:01:0e"]]);
  });
});

describe("the difference between wanted and observed", () => {
  const desired = desiredHost(input());
  it("is nothing after it was carried out", () => {
    const change = diffHost(desired, assumeDone(desired), { isAssumed: true });
    assert.deepEqual([change.prune, change.ip, change.bridge, change.reasons], [[], [], [], []]);
  });
  it("builds everything on an empty host", () => {
    const change = diffHost(desired, empty);
    assert.match(change.ip.join("\n"), /link add sb1001 mtu 1450 address 02:42:0a:09:01:01 type bridge[^]*addr replace 10.9.1.1\/24 dev sb1001[^]*link add sv1001 .*id 4097 dstport 4789 local 198.18.0.1 nolearning proxy/);
    assert.deepEqual(change.bridge, ["fdb replace 02:42:0a:09:01:0c dev sv1001 dst 198.18.0.2 self static"]);
  });
  it("replaces the row of a task that moved to another host, and deletes that of one that is gone", () => {
    const moved = desiredHost(input({ endpoints: [endpointSet("front", "web", "", [endpoint("web.2", "10.9.1.12", n3)])] }));
    assert.deepEqual(diffHost(moved, assumeDone(desired)).bridge, ["fdb replace 02:42:0a:09:01:0c dev sv1001 dst 198.18.0.3 self static"]);
    const gone = diffHost(desiredHost(input({ endpoints: [] })), assumeDone(desired));
    assert.deepEqual([gone.bridge, gone.ip], [["fdb del 02:42:0a:09:01:0c dev sv1001 dst 198.18.0.2 self"], ["neigh del 10.9.1.12 dev sv1001"]]);
  });
  it("deletes the second row of a doubled address", () => {
    const done = assumeDone(desired);
    const doubled = { ...done, forwarding: [...done.forwarding, { ...done.forwarding[0]!, vtep: n3.addr }] };
    assert.deepEqual(diffHost(desired, doubled).bridge, ["fdb del 02:42:0a:09:01:0c dev sv1001 dst 198.18.0.3 self"]);
  });
  it("makes a tunnel with another local address anew, with all of its rows", () => {
    const renumbered = desiredHost(input({ nodeAddr: "198.18.0.9" }));
    const change = diffHost(renumbered, assumeDone(desired));
    assert.deepEqual(change.prune, ["link del sv1001"]);
    assert.equal(change.bridge.length, 1);
  });
  it("takes away what nobody wants, nothing of others, and nothing at all before the state is known", () => {
    const link = (name: string, kind: string) => ({ name, kind, mac: "", mtu: 1500, isUp: true, master: "" });
    const observed = { ...empty, links: [link("sb2000", "bridge"), link("sv2000", "vxlan"), link("docker0", "bridge"), link("sbx", "bridge"), link(vethName("gone", 0), "veth")] };
    const nothing = desiredHost(input({ networks: [], endpoints: [] }));
    assert.deepEqual(diffHost(nothing, observed).prune, ["link del sb2000", "link del sv2000", `link del ${vethName("gone", 0)}`]);
    assert.deepEqual(diffHost(nothing, observed, { isAdditive: true }).prune, []);
  });
  it("puts a sandbox's port back on a bridge that was made anew", () => {
    const record = plan(sandbox("web.1", [["front", "10.9.1.11"]]), [front]);
    const withPort = desiredHost(input({ sandboxes: [record] }));
    const veth = record.interfaces[0]!.veth;
    const observed = { ...empty, links: [{ name: veth, kind: "veth", mac: "", mtu: 1450, isUp: true, master: "" }] };
    const change = diffHost(withPort, observed);
    assert.equal(change.ports[0], `link set ${veth} master sb1001 up`);
    assert.deepEqual(change.portRows, [`fdb replace 02:42:0a:09:01:0b dev ${veth} master static`]);
    assert.deepEqual(diffHost(withPort, empty).missingPorts, [veth]);
  });
});

describe("names of links", () => {
  it("fit the kernel's 15 characters, differ where ids differ late, and are told from other programs'", () => {
    assert.equal(vethName("a".repeat(64), 11).length, 15);
    assert.notEqual(vethName("task000000000000000000001", 0), vethName("task000000000000000000002", 0));
    assert.equal(isOurLink(vethName("x", 0)), true);
    for (const foreign of ["eth0", "docker0", "sbin", "svc0x", "spam", "skein1", "sb"]) assert.equal(isOurLink(foreign), false, foreign);
  });
});

describe("slots", () => {
  it("share evenly, and every backend gets some", () => {
    for (const count of [1, 2, 3, 4, 5, 16, 17, 64, 200, 256]) {
      const size = slotSizeFor(count);
      const shares = new Map<number, number>();
      for (const backend of fillSlots(Array.from({ length: count }, (_, i) => i), size, 7)) shares.set(backend, (shares.get(backend) ?? 0) + 1);
      assert.equal(shares.size, count, `${count} backends in ${size} slots`);
      assert.equal(Math.max(...shares.values()) - Math.min(...shares.values()) <= 1, true);
    }
  });
  it("take turns by seed where there are more backends than slots", () => {
    const backends = Array.from({ length: 300 }, (_, i) => i);
    assert.notDeepEqual(fillSlots(backends, 256, 1), fillSlots(backends, 256, 200));
  });
});

describe("the rules of a sandbox", () => {
  const before = balanceOf(new Set(["front"]), [
    endpointSet("front", "web", "10.9.1.2", [endpoint("web.1", "10.9.1.11", n1), endpoint("web.2", "10.9.1.12", n2, false)]),
    endpointSet("front", "idle", "10.9.1.3", []), endpointSet("front", "direct", "", [endpoint("d.1", "10.9.1.13", n1)]),
    endpointSet("back", "db", "10.9.2.2", [endpoint("db.1", "10.9.2.11", n1)]),
  ]);
  it("balance ready endpoints of the sandbox's own networks only", () => {
    assert.deepEqual([...before], [["10.9.1.2", ["10.9.1.11"]], ["10.9.1.3", []]]);
  });
  it("change only what changed", () => {
    const after = new Map(before).set("10.9.1.3", ["10.9.1.20"]);
    const text = renderBalanceChange(before, after, 0);
    assert.match(text, /^delete element ip skein empty_vips \{ 10.9.1.3 \}\nadd element ip skein vips16 \{ 10.9.1.3 \. 0 : 10.9.1.20, /);
    assert.doesNotMatch(text, /10\.9\.1\.2 \./);
    assert.equal(renderBalanceChange(before, new Map(before), 0), "");
  });
  it("move to a larger map as a service grows", () => {
    const grown = new Map([["10.9.1.2", Array.from({ length: 5 }, (_, i) => `10.9.1.${11 + i}`)]]);
    const text = renderBalanceChange(new Map([["10.9.1.2", ["10.9.1.11"]]]), grown, 0);
    assert.match(text, /delete element ip skein vips16 [^]*add element ip skein vips64 /);
  });
  it("are recognized in a listing, and their loss too", () => {
    const rules = { balance: new Map([["10.9.1.2", ["10.9.1.11"]]]), dnsVia: "10.9.1.1", seed: 3 };
    const listing = renderSandboxRules(rules).replace("meta l4proto tcp reject", "reject").split("\n").slice(2).join("\n");
    assert.equal(isSandboxListing(listing, rules), true);
    assert.equal(isSandboxListing(listing.replace("10.9.1.2 . 3 : 10.9.1.11", "10.9.1.2 . 3 : 10.9.1.99"), rules), false);
    assert.equal(isSandboxListing(listing.replace("dnat ip to ip daddr . numgen random mod 16 map @vips16", ""), rules), false);
    assert.equal(isSandboxListing("", rules), false);
  });
  it("tell which backends to forget connections of", () => {
    assert.deepEqual(withdrawnBackends(new Map([["v", ["a", "b"]]]), new Map([["v", ["b", "c"]]])), ["a"]);
  });
});

describe("the rules of a host", () => {
  const render = (networks: readonly Network[], hostPorts = [{ protocol: "tcp" as const, port: 81, addr: "10.9.1.11", targetPort: 8080 }]) => renderHostRules({
    networks: views(networks), local: { gateway: "172.30.0.1", subnet: "172.30.0.0/16" }, hostPorts, dnsPort: 10053, seed: 0,
    published: publishedPorts([endpointSet("ingress", "web", "", [endpoint("web.1", "10.9.4.11", n1), endpoint("web.2", "10.9.4.12", n2, false)],
      [{ protocol: "TCP", targetPort: 8080, publishedPort: 80, mode: "INGRESS" }, { protocol: "TCP", targetPort: 1, publishedPort: 2, mode: "HOST" }])], views(networks)),
  });
  it("forward a published port to ready endpoints by their ingress addresses", () => {
    const text = render([front, ingress]);
    assert.match(text, /published_tcp16 \{[^}]*elements = \{ 80 \. 0 : 10\.9\.4\.11 \. 8080, /);
    assert.doesNotMatch(text, /10\.9\.4\.12/);
    assert.doesNotMatch(text, /2 \. 0 :/);
  });
  it("give an internal network no address outside", () => {
    assert.match(render([front, dark]), /set outgoing \{[^}]*elements = \{ 10\.9\.1\.0\/24, 172\.30\.0\.0\/16 \}/);
    assert.match(render([front, dark]), /set internal \{[^}]*elements = \{ "sb1003" \}/);
  });
  it("give a port that two claim to the first, since one key with two values would refuse the whole table", () => {
    const port = { protocol: "tcp" as const, port: 81, targetPort: 8080 };
    assert.match(render([front], [{ ...port, addr: "10.9.1.11" }, { ...port, addr: "10.9.1.12" }]), /elements = \{ 81 : 10\.9\.1\.11 \. 8080 \}/);
  });
});

describe("a sandbox's plan", () => {
  it("goes outside by the first network that leads there, which the ingress beside another does not", () => {
    assert.equal(plan(sandbox("a.1", [["ingress", "10.9.4.11"], ["dark", "10.9.3.11"], ["front", "10.9.1.11"]]), [front, dark, ingress]).routeVia, "10.9.1.1");
    assert.equal(plan(sandbox("a.1", [["ingress", "10.9.4.11"], ["dark", "10.9.3.11"]]), [dark, ingress]).routeVia, "");
    assert.equal(plan(sandbox("a.1", [["ingress", "10.9.4.11"]]), [ingress]).routeVia, "10.9.4.101");
    assert.equal(plan(sandbox("a.1", []), []).routeVia, "172.30.0.1");
  });
  it("asks the first network that is not the ingress for names", () => {
    assert.equal(plan(sandbox("a.1", [["ingress", "10.9.4.11"], ["dark", "10.9.3.11"]]), [dark, ingress]).dnsVia, "10.9.3.1");
  });
  it("writes its own name and extra hosts", () => {
    const record = plan(sandbox("a.1", [["front", "10.9.1.11"]], { extraHosts: ["db:10.1.1.1", "host:host-gateway"] }), [front]);
    assert.match(hostsOf(record), /10\.9\.1\.11\ta-1\n10\.1\.1\.1\tdb\n10\.9\.1\.1\thost\n/);
  });
  it("refuses an address without sense, and a network that is not known yet, each with its reason", () => {
    const nonsense = { ...sandbox("a.1", []), attachments: [{ networkId: "front", addr: "10.9.1/24", mac: "", aliases: [] }] };
    assert.throws(() => plan(nonsense, [front]), { code: "INVALID_ARGUMENT", message: /"10\.9\.1\/24" is not an address/ });
    assert.throws(() => plan(sandbox("a.1", [["front", "10.9.1.11"]]), []), { code: "UNAVAILABLE" });
    assert.throws(() => planSandbox({ ...sandbox("a.1", [["ingress", "10.9.4.11"]]), networks: [ingress], local, hostNetworks: hostNetworks([ingress], [], { nodeId: "n1", underlayMtu: 1500 }) }),
      { code: "UNAVAILABLE", message: /no address on it yet/ });
  });
});

describe("the local pool", () => {
  const subnet = { base: 0xac1e0000, prefix: 29 }; // 172.30.0.0/29: .2 to .6
  it("gives an address that was just given up last of all", () => {
    assert.equal(nextLocalAddress(subnet, new Set(), ""), "172.30.0.2");
    assert.equal(nextLocalAddress(subnet, new Set(["172.30.0.2"]), "172.30.0.3"), "172.30.0.4");
    assert.equal(nextLocalAddress(subnet, new Set(["172.30.0.2"]), "172.30.0.6"), "172.30.0.3");
  });
  it("is used up when it is", () => {
    assert.equal(nextLocalAddress(subnet, new Set([2, 3, 4, 5, 6].map((host) => `172.30.0.${host}`)), ""), undefined);
  });
});

describe("names", () => {
  const records = [plan(sandbox("client.1", [["ingress", "10.9.4.21"], ["front", "10.9.1.21"]]), [front, ingress]), plan(sandbox("lone.1", []), [])];
  const table = buildDnsTable(views([front, dark, ingress]), [
    endpointSet("front", "web", "10.9.1.2", [endpoint("web.1", "10.9.1.11", n1), endpoint("web.2", "10.9.1.12", n2, false)]),
    endpointSet("ingress", "web", "10.9.4.2", [endpoint("web.1", "10.9.4.11", n1)]),
    endpointSet("front", "idle", "", []), endpointSet("dark", "secret", "10.9.3.2", []),
  ], records);
  const client = table.clientAt("10.9.1.21")!;
  it("are those of the client's networks, of ready tasks", () => {
    assert.deepEqual(table.addressesOf(client, "Web."), ["10.9.1.2"]);
    assert.deepEqual(table.addressesOf(client, "tasks.web"), ["10.9.1.11"]);
    assert.equal(table.addressesOf(client, "web.2"), undefined);
    assert.equal(table.addressesOf(client, "secret"), undefined);
  });
  it("of a service with nothing ready are known, without addresses", () => {
    assert.deepEqual(table.addressesOf(client, "idle"), []);
  });
  it("find a client by any of its addresses, and nobody by others", () => {
    assert.equal(table.clientAt("10.9.4.21"), client);
    assert.equal(table.clientAt("10.9.1.77"), undefined);
    assert.deepEqual(table.clientAt("172.30.0.2")!.networkIds, []);
  });
  it("follow from addresses, too", () => {
    assert.equal(table.nameOf(client, "10.9.1.2"), "web.front");
    assert.equal(table.nameOf(client, "10.9.1.11"), "web.1.front");
    assert.equal(table.nameOf(client, "10.9.3.2"), undefined);
  });
});
