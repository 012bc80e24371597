/** One life of a namespace by one kind of HostLinks, in the namespaces that this process was started in; prints what the kernel then shows, as JSON. */
import { execFileSync } from "node:child_process";
import { existsSync, readlinkSync } from "node:fs";
import { silentLogger } from "../../../lib/index.js";
import { openHostLinks } from "../open.js";

const [kind, directory] = process.argv.slice(2) as ["netlink" | "ip", string];
const links = openHostLinks({ log: silentLogger, kind });
const path = `${directory}/ns`, other = `${directory}/other`;
const shell = (script: string) => execFileSync("sh", ["-c", script], { encoding: "utf8" });
const inside = (script: string) => execFileSync("nsenter", [`--net=${path}`, "--", "sh", "-c", script], { encoding: "utf8" });
const home = () => readlinkSync("/proc/thread-self/ns/net");
const homeBefore = home();
const refused: string[] = [];
const refuse = async (work: Promise<unknown>) => { try { await work; refused.push("not refused"); } catch (error) { refused.push((error as Error).message.split(":")[0]!); } };
const look = () => ({
  addresses: inside("ip -o addr | sed 's/^[0-9]*: //' | grep -v '^lo ' | grep -v fe80 | sed s/valid_lft.*//; true").replace(/[\\ ]+/g, " ").trim().split(/ *\n/), routes: (inside("ip route") + inside("ip -6 route | grep default; true")).replace(/ (metric|pref|proto) \S+/g, "").trim().split(/ *\n/).sort(),
  rules: inside("nft list ruleset").trim(), settings: inside("cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/conf/all/route_localnet").trim(), link: inside("ip -o link show eth0 | grep -o 'mtu [0-9]*\\|link/ether [0-9a-f:]*'"),
  ports: shell("bridge -d link | grep -o 'master [a-z0-9]*\\|hairpin [a-z]*\\| flood [a-z]*\\|isolated [a-z]*'; bridge fdb show br br9 | grep 'master br9.* static'; true"),
});

shell("ip link set lo up; nft 'add table inet t; add map inet t m { type inet_service : ipv4_addr . inet_service; }'");
for (let i = 0; i < 2; i++) await links.ensureBridge({ name: "br8", mac: "02:42:ac:28:00:01", mtu: 1400, addresses: ["172.40.0.1/16", "fd77::1/64"] });
await links.ensureBridge({ name: "br9", mac: "02:42:ac:29:00:01", mtu: 1500, addresses: ["172.41.0.1/16"] });
await links.makeNamespace(path, { hostName: "ve8" });
const eth0 = { device: "eth0", mac: "02:42:ac:28:00:02", mtu: 1400, addresses: ["172.40.0.2/16", "fd77::2/64"], hasIpv6: true, link: { kind: "veth" as const, hostName: "ve8", isThere: true, bridge: "br8", isIsolated: true } };
const eth1 = { device: "eth1", mac: "02:42:ac:29:00:02", mtu: 1500, addresses: ["172.41.0.2/16"], hasIpv6: false, link: { kind: "veth" as const, hostName: "ve9", isThere: false, bridge: "br9", isIsolated: false, onlyMac: "02:42:ac:29:00:02" } };
await links.change({ path, isNew: true, removed: [], added: [eth0], gateways: [{ address: "172.40.0.1", device: "eth0" }, { address: "fd77::1", device: "eth0" }], resolver: "172.40.0.1" });
const first = look();
await links.change({ path, isNew: false, removed: [], added: [eth1], gateways: [{ address: "172.41.0.1", device: "eth1" }], resolver: "172.41.0.1" });
const second = look();
await links.unplug("ve8");
await links.change({ path, isNew: false, removed: ["eth1"], added: [], gateways: [], resolver: undefined });
await links.plug({ hostName: "ve8", bridge: "br8", isIsolated: false }, 1400);
const third = look();
await links.makeNamespace(other);
await links.change({ path: other, isNew: true, removed: [], added: [{ ...eth0, addresses: ["172.41.0.3/16"], hasIpv6: false, link: { kind: "macvlan", parent: "br9", mode: "bridge" } }], gateways: [], resolver: undefined });
const macvlan = shell(`nsenter --net=${other} -- ip -d -o link show eth0 | grep -o 'macvlan mode [a-z]*'`).trim();
const port = { map: "m", hostAddress: undefined, hostPort: 8080, address: "172.40.0.2", port: 80 };
await links.changePorts("t", [], [port, { ...port, hostPort: 8081 }]);
await links.changePorts("t", [port], [{ ...port, hostPort: 8082 }]);
const ports = shell("nft list map inet t m | grep elements").trim();
await links.forgetUdp([53]);
await refuse(links.change({ path: `${directory}/nowhere`, isNew: true, removed: [], added: [], gateways: [], resolver: undefined }));
await refuse(links.change({ path, isNew: true, removed: [], added: [], gateways: [{ address: "172.99.0.1", device: "eth0" }], resolver: undefined }));
await refuse(links.changePorts("t", [{ ...port, hostPort: 1 }], []));
await links.keepNamespace(other, process.pid);
const isKept = shell(`readlink /proc/self/ns/net; nsenter --net=${other} -- readlink /proc/self/ns/net`).trim().split("\n");
const seen = (await links.links()).filter((link) => link.kind === "bridge").map(({ name, mac, mtu, isUp }) => ({ name, mac, mtu, isUp }));
const routes = (await links.routes()).filter((route) => route.destination.startsWith("172.")).map((route) => `${route.destination} ${route.device}`);
for (const each of [path, other, other]) await links.removeNamespace(each);
for (const each of ["br8", "br9", "br9"]) await links.removeLink(each);
links.close();
process.stdout.write(JSON.stringify({ first, second, third, macvlan, ports, refused, isKept: isKept[0] === isKept[1], seen, routes, isHome: home() === homeBefore, isGone: !existsSync(path) && !existsSync(other) }));
