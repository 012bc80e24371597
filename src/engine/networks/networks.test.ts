import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { codeOf, messageOf } from "../../lib/index.js";
import { waitFor } from "../../lib/testing.js";
import type { EngineEvent, EngineNetwork } from "../api/index.js";
import { EngineLab } from "./testing/engine-lab.js";

const refusal = async (work: Promise<unknown>): Promise<string> => { try { await work; } catch (error) { return `${codeOf(error)} ${messageOf(error)}`; } return "not refused"; };
const tcp = (containerPort: number, hostPort: string, hostIp = "") => ({ containerPort, protocol: "tcp" as const, hostIp, hostPort });
const httpd = { args: ["httpd", "-f", "-p", "80", "-h", "/etc"] };

describe("engine networks", function () {
  this.timeout(180_000);
  const lab = new EngineLab();
  before(() => lab.begin());
  after(() => lab.end());
  const get = (url: string) => `busybox wget -q -O - ${url} 2>&1 | head -c 200`;
  const short = (id: string) => id.slice(0, 12);
  const links = async () => (await lab.must(["ip", "-o", "link", "show"])).split("\n").map((line) => line.split(": ")[1]?.split("@")[0] ?? "").filter(Boolean);

  describe("predefined", () => {
    it("are there from the first moment, and nothing of them in the kernel before the first use", async () => {
      const all = await lab.call<EngineNetwork[]>("networks.list");
      assert.deepEqual(all.map(({ name, driver }) => [name, driver]), [["bridge", "bridge"], ["host", "host"], ["none", "null"]]);
      assert.ok(all.every(({ id }) => /^[0-9a-f]{64}$/.test(id)));
      assert.deepEqual((await links()).sort(), ["eth0", "lo"]);
      for (const name of ["bridge", "host", "none"]) assert.match(await refusal(lab.call("networks.remove", name)), /PERMISSION_DENIED .*pre-defined/);
    });

    it("bridge: an address, a way out, the host's name servers, and no names of others", async () => {
      const a = await lab.run({}, { name: "plain-a" });
      const b = await lab.run({}, { name: "plain-b", ...httpd });
      const endpoint = await lab.endpoint(b, "bridge");
      assert.match(endpoint.ipAddress, /^172\.17\.0\.\d+$/);
      assert.equal(endpoint.gateway, "172.17.0.1");
      assert.equal(await lab.sh(a, get(`http://${endpoint.ipAddress}/hostname`)), short(b));
      assert.match(await lab.sh(a, `ping -c 1 -W 5 ${lab.outside}`), /1 packets received/);
      assert.ok(!(await lab.sh(a, "cat /etc/resolv.conf")).includes("127.0.0.11"));
      assert.match(await lab.sh(a, "cat /etc/hosts"), new RegExp(`${(await lab.endpoint(a, "bridge")).ipAddress}\t${short(a)}`));
      const shown = await lab.network("bridge");
      assert.deepEqual(shown.containers.map(({ containerName }) => containerName).sort(), ["plain-a", "plain-b"]);
      assert.match(await lab.must(["cat", "/proc/sys/net/ipv4/ip_forward"]), /1/);
      for (const id of [a, b]) await lab.remove(id);
      assert.deepEqual((await lab.network("bridge")).containers, []);
    });

    it("host: the host's own links; none: loopback alone; container: another's", async () => {
      const host = await lab.run({ mode: "host" });
      assert.match(await lab.sh(host, "ip addr"), new RegExp(lab.address));
      assert.equal((await lab.endpoint(host, "host")).ipAddress, "");
      assert.equal((await lab.network("host")).containers.length, 1);
      const none = await lab.run({ mode: "none" });
      assert.equal(await lab.sh(none, "ip -o link | wc -l"), "1");
      const first = await lab.run({}, { ...httpd, name: "first" });
      const joined = await lab.run({ mode: `container:${first}` });
      assert.equal(await lab.sh(joined, "ip -4 -o addr show eth0"), await lab.sh(first, "ip -4 -o addr show eth0"));
      assert.match(await lab.sh(joined, get("http://127.0.0.1/hosts")), /localhost/);
      assert.equal(await lab.sh(joined, "cat /etc/hosts"), await lab.sh(first, "cat /etc/hosts"));
      const joinedNone = await lab.run({ mode: `container:${none}` });
      assert.equal(await lab.sh(joinedNone, "ip -o link | wc -l"), "1");
      assert.match(await refusal(lab.run({ mode: "container:nobody" })), /NOT_FOUND .*nobody/);
      await lab.call("stop", first, { graceMs: 0 });
      assert.match(await refusal(lab.run({ mode: "container:first" })), /FAILED_PRECONDITION .*non running container/);
      for (const id of [host, none, first, joined, joinedNone]) await lab.remove(id);
    });
  });

  describe("of users", () => {
    it("are made and removed with their links, and refuse what cannot be", async () => {
      const before = await links();
      const { id } = await lab.create({ name: "made", labels: { a: "b" }, ipam: [{ subnet: "172.28.0.0/16", ipRange: "172.28.5.0/24", gateway: "172.28.5.254", auxiliary: { router: "172.28.5.1" } }] });
      const shown = await lab.network(id.slice(0, 10));
      assert.equal(shown.name, "made");
      assert.deepEqual(shown.ipam, [{ subnet: "172.28.0.0/16", ipRange: "172.28.5.0/24", gateway: "172.28.5.254", auxiliary: { router: "172.28.5.1" } }]);
      assert.equal((await links()).length, before.length + 1);
      const a = await lab.run({ mode: "made" });
      assert.equal((await lab.endpoint(a, "made")).ipAddress, "172.28.5.0");
      const b = await lab.run({ mode: "made" });
      assert.equal((await lab.endpoint(b, "made")).ipAddress, "172.28.5.2");
      assert.match(await refusal(lab.create({ name: "made" })), /ALREADY_EXISTS/);
      assert.match(await refusal(lab.create({ name: "two", ipam: [{ subnet: "172.28.9.0/24" }] })), /overlaps .*"made"/);
      assert.match(await refusal(lab.create({ name: "two", ipam: [{ subnet: "198.18.77.0/25" }] })), /route to/);
      assert.match(await refusal(lab.create({ name: "two", options: { "com.docker.network.bridge.name": "eth0" } })), /on this host already/);
      assert.match(await refusal(lab.call("networks.remove", "made")), /PERMISSION_DENIED .*active endpoints/);
      assert.match(await refusal(lab.call("networks.remove", "nothing")), /NOT_FOUND/);
      for (const each of [a, b]) await lab.remove(each);
      await lab.call("networks.remove", "made");
      assert.deepEqual((await links()).filter((name) => !name.startsWith("se")), before.filter((name) => !name.startsWith("se")));
      const events = (await lab.call<EngineEvent[]>("events")).filter((event) => event.actorId === id);
      assert.deepEqual(events.map(({ action }) => action), ["create", "connect", "connect", "disconnect", "disconnect", "destroy"]);
      assert.equal(events[1]!.attributes["container"], a);
    });

    it("two that ask for one name, or for a subnet, at the same time: each gets its own or is refused", async () => {
      const results = await Promise.allSettled(["same", "same", "p", "q", "r"].map((name) => lab.create({ name })));
      assert.equal(results.filter((each) => each.status === "rejected").length, 1);
      const subnets = (await lab.call<EngineNetwork[]>("networks.list")).flatMap((network) => network.ipam.map((pool) => pool.subnet));
      assert.equal(new Set(subnets).size, subnets.length);
      const pruned = await lab.call<string[]>("networks.prune", {});
      assert.deepEqual(pruned.sort(), ["p", "q", "r", "same"]);
    });

    it("answer names: containers, aliases, ids, links; and tell those apart that share no network", async () => {
      await lab.create({ name: "front", hasIpv6: true });
      await lab.create({ name: "back" });
      const web = await lab.run({ mode: "front", endpoints: { front: { aliases: ["www"] } } }, { name: "web", ...httpd });
      const far = await lab.run({ mode: "back" }, { name: "far" });
      const db = await lab.run({ mode: "back", endpoints: { back: { links: ["far:near"] } } }, { name: "db" });
      const other = await lab.run({ mode: "front" }, { name: "other" });
      for (const name of ["web", "www", short(web), "web.front", "WEB"]) assert.equal(await lab.sh(other, get(`http://${name}/hostname`)), short(web), name);
      assert.match(await lab.sh(other, "ping -6 -c 1 -W 5 web"), /1 packets received/);
      assert.match(await lab.sh(other, "cat /etc/resolv.conf"), /^nameserver 127\.0\.0\.11/);
      assert.match(await lab.sh(db, "nslookup near 127.0.0.11"), new RegExp((await lab.endpoint(far, "back")).ipAddress));
      assert.doesNotMatch(await lab.sh(db, "timeout 3 nslookup web.front 127.0.0.11"), /Address: 172/);
      await lab.call("rename", web, "renamed");
      assert.equal(await lab.sh(other, get("http://renamed/hostname")), short(web));
      await lab.call("stop", web, { graceMs: 0 });
      assert.doesNotMatch(await lab.sh(other, "timeout 3 nslookup www 127.0.0.11"), /Address: 172/);
      for (const id of [web, db, far, other]) await lab.remove(id);
    });

    it("are apart from each other, from outside, and, when internal, from everything", async () => {
      await lab.create({ name: "inner", isInternal: true });
      const a = await lab.run({ mode: "front" }, httpd);
      const b = await lab.run({ mode: "back" });
      const inner = await lab.run({ mode: "inner", ports: [tcp(80, "7070")] }, httpd);
      const innerPeer = await lab.run({ mode: "inner" }, { name: "inner-peer" });
      const address = (await lab.endpoint(a, "front")).ipAddress;
      assert.match(await lab.sh(b, `ping -c 1 -W 1 ${address}; true`), / 0 packets received/);
      assert.match((await lab.fromOutside(`ip route replace 172.18.0.0/16 via ${lab.address}; busybox ping -c 1 -W 1 ${address}`)).stdout, / 0 packets received/);
      assert.match((await lab.onHost(`busybox ping -c 1 -W 5 ${address}`)).stdout, /1 packets received/);
      assert.equal(await lab.sh(inner, "ip route | grep -c default"), "0");
      await lab.sh(inner, `ip route add default via ${(await lab.network("inner")).ipam[0]!.gateway} 2>&1`);
      assert.doesNotMatch(await lab.sh(innerPeer, `ping -c 1 -W 1 ${lab.outside}; true`), /1 packets received/);
      assert.match(await lab.sh(innerPeer, `ping -c 1 -W 5 ${(await lab.endpoint(inner, "inner")).ipAddress}`), /1 packets received/);
      assert.deepEqual((await lab.details(inner)).ports, []);
      for (const id of [a, b, inner, innerPeer]) await lab.remove(id);
    });

    it("ICC off: neighbours do not reach each other, but what is published and outside", async () => {
      await lab.create({ name: "quiet", options: { "com.docker.network.bridge.enable_icc": "false" } });
      for (const filtered of ["1", "0"]) {
        await lab.onHost(`echo ${filtered} > /proc/sys/net/bridge/bridge-nf-call-iptables`);
        const a = await lab.run({ mode: "quiet", ports: [tcp(80, "7171")] }, httpd);
        const b = await lab.run({ mode: "quiet" });
        assert.match(await lab.sh(b, `ping -c 1 -W 1 ${(await lab.endpoint(a, "quiet")).ipAddress}; true`), / 0 packets received/, filtered);
        assert.match(await lab.sh(b, `ping -c 1 -W 5 ${lab.outside}`), /1 packets received/, filtered);
        assert.equal(await lab.sh(b, get(`http://${lab.address}:7171/hostname`)), short(a), filtered);
        for (const id of [a, b]) await lab.remove(id);
      }
      await lab.onHost("echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables");
    });

    it("MTU, MAC, static addresses, and who has one that is asked for twice", async () => {
      await lab.create({ name: "static", options: { "com.docker.network.driver.mtu": "1400" }, ipam: [{ subnet: "172.27.0.0/24" }, { subnet: "fd27::/64" }] });
      const a = await lab.run({ mode: "static", endpoints: { static: { ipv4Address: "172.27.0.77", ipv6Address: "fd27::77", macAddress: "02:aa:bb:cc:dd:ee" } } }, { name: "fixed" });
      assert.match(await lab.sh(a, "ip addr show eth0"), /mtu 1400[\s\S]*02:aa:bb:cc:dd:ee[\s\S]*172\.27\.0\.77\/24[\s\S]*fd27::77\/64/);
      assert.match(await refusal(lab.run({ mode: "static", endpoints: { static: { ipv4Address: "172.27.0.77" } } })), /address already in use: 172\.27\.0\.77 .*"fixed"/);
      assert.match(await refusal(lab.run({ mode: "static", endpoints: { static: { ipv4Address: "172.27.0.1" } } })), /the gateway/);
      assert.match(await refusal(lab.run({ mode: "static", endpoints: { static: { ipv4Address: "10.0.0.1" } } })), /not within/);
      assert.match(await refusal(lab.run({ mode: "static", endpoints: { static: { ipv4Address: "x" } } })), /no IPv4 address/);
      assert.match(await refusal(lab.run({ mode: "bridge", endpoints: { bridge: { ipv4Address: "172.17.0.9" } } })), /user defined networks only/);
      assert.match(await refusal(lab.run({ mode: "nowhere" })), /NOT_FOUND .*nowhere/);
      await lab.call("stop", a, { graceMs: 0 });
      await lab.call("start", a);
      assert.equal((await lab.endpoint(a, "static")).ipAddress, "172.27.0.77");
      await lab.remove(a);
    });

    it("keep a stopped container's static address free, and say when a pool is used up", async () => {
      await lab.create({ name: "tiny", ipam: [{ subnet: "172.26.0.0/29" }] });
      const keeper = await lab.run({ mode: "tiny", endpoints: { tiny: { ipv4Address: "172.26.0.2" } } });
      await lab.call("stop", keeper, { graceMs: 0 });
      const others = await Promise.all([1, 2, 3, 4].map(() => lab.run({ mode: "tiny" })));
      assert.deepEqual((await Promise.all(others.map(async (id) => (await lab.endpoint(id, "tiny")).ipAddress))).sort(), ["172.26.0.3", "172.26.0.4", "172.26.0.5", "172.26.0.6"]);
      assert.match(await refusal(lab.run({ mode: "tiny" })), /RESOURCE_EXHAUSTED .*172\.26\.0\.0\/29 is used up/);
      await lab.call("start", keeper);
      await lab.remove(others[0]!);
      others[0] = await lab.run({ mode: "tiny" });
      for (const id of [keeper, ...others]) await lab.remove(id);
    });

    it("macvlan: on the parent's own network, with its own MAC; VLANs are refused where the kernel has none", async () => {
      await lab.create({ name: "wire", driver: "macvlan", options: { parent: "eth0" }, ipam: [{ subnet: "198.18.77.0/24", gateway: lab.outside, ipRange: "198.18.77.64/28" }] });
      const a = await lab.run({ mode: "wire" }, httpd);
      const { ipAddress } = await lab.endpoint(a, "wire");
      assert.match(ipAddress, /^198\.18\.77\.6\d$/);
      assert.equal((await lab.fromOutside(get(`http://${ipAddress}/hostname`))).stdout.trim(), short(a));
      await lab.remove(a);
      const vlan = await refusal(lab.create({ name: "tagged", driver: "macvlan", options: { parent: "eth0.10" }, ipam: [{ subnet: "172.25.0.0/24" }] }));
      assert.match(vlan, /not refused|VLAN link eth0\.10/);
      assert.equal((await lab.call<EngineNetwork[]>("networks.list")).some((network) => network.name === "tagged"), vlan === "not refused");
    });
  });

  describe("connect and disconnect", () => {
    it("move a running container: interfaces, route, names and hosts follow at once", async () => {
      const id = await lab.run({}, { name: "mover", ...httpd });
      const peer = await lab.run({ mode: "back" }, { name: "peer" });
      await lab.connect("back", id, { aliases: ["moved"], ipv4Address: undefined });
      assert.equal(await lab.sh(peer, get("http://moved/hostname")), short(id));
      assert.match(await lab.sh(id, "ping -c 1 -W 5 peer"), /1 packets received/);
      assert.match(await lab.sh(id, "ip route show default"), new RegExp(`${(await lab.network("back")).ipam[0]!.gateway} dev eth1`));
      assert.match(await refusal(lab.connect("back", id)), /already exists in network back/);
      await lab.disconnect("bridge", id);
      assert.equal(await lab.sh(id, "ip -o link show eth0 2>&1 | grep -c veth; cat /etc/hosts | grep -c 172.17"), "0\n0");
      await lab.connect("front", id);
      assert.match(await lab.sh(id, "ip -4 -o addr show eth0"), new RegExp((await lab.endpoint(id, "front")).ipAddress));
      assert.match(await lab.sh(id, "ip route show default"), /dev eth1/);   // "back" comes before "front"
      await lab.disconnect("back", id);
      assert.match(await lab.sh(id, "ip route show default"), /dev eth0/);
      assert.match(await lab.sh(id, `ping -c 1 -W 5 ${lab.outside}`), /1 packets received/);
      assert.match(await refusal(lab.disconnect("back", id)), /is not connected to network back/);
      await lab.call("stop", id, { graceMs: 0 });
      await lab.connect("back", id);
      await lab.call("start", id);
      assert.deepEqual((await lab.details(id)).networks.map((each) => each.networkName).sort(), ["back", "front"]);
      for (const each of [id, peer]) await lab.remove(each);
    });

    it("refuse the host's network, none, another's namespace, strangers", async () => {
      const host = await lab.run({ mode: "host" });
      const none = await lab.run({ mode: "none" });
      const id = await lab.run({});
      assert.match(await refusal(lab.connect("front", host)), /PERMISSION_DENIED/);
      assert.match(await refusal(lab.connect("front", none)), /PERMISSION_DENIED .*private \(none\)/);
      assert.match(await refusal(lab.connect("host", id)), /PERMISSION_DENIED .*host network/);
      assert.match(await refusal(lab.disconnect("host", host)), /PERMISSION_DENIED/);
      assert.match(await refusal(lab.connect("front", "0123456789ab")), /NOT_FOUND/);
      assert.match(await refusal(lab.connect("nowhere", id)), /NOT_FOUND/);
      assert.match(await refusal(lab.connect("front", id, { macAddress: "x" })), /MAC address/);
      for (const each of [host, none, id]) await lab.remove(each);
    });
  });

  describe("published ports", () => {
    it("are reached from outside, from the host by loopback and by address, and by containers of any network", async () => {
      const web = await lab.run({ ports: [tcp(80, "8080"), tcp(80, "8181", "127.0.0.1"), tcp(80, "")] }, { name: "published", ...httpd });
      const { ports } = await lab.details(web);
      const chosen = Number(ports.find((port) => !["8080", "8181"].includes(port.hostPort))!.hostPort);
      assert.ok(chosen >= 32_768);
      const neighbour = await lab.run({});
      const elsewhere = await lab.run({ mode: "front" });
      const ask = async (port: number, address = lab.address) => [(await lab.fromOutside(get(`http://${lab.address}:${port}/hostname`))).stdout.trim(), (await lab.onHost(get(`http://127.0.0.1:${port}/hostname`))).stdout.trim(),
        (await lab.onHost(get(`http://${address}:${port}/hostname`))).stdout.trim(), await lab.sh(neighbour, get(`http://${address}:${port}/hostname`)), await lab.sh(elsewhere, get(`http://${address}:${port}/hostname`)), await lab.sh(web, get(`http://${address}:${port}/hostname`))];
      assert.deepEqual(await ask(8080), Array(6).fill(short(web)));
      assert.deepEqual(await ask(chosen), Array(6).fill(short(web)));
      assert.equal((await lab.onHost(get("http://127.0.0.1:8181/hostname"))).stdout.trim(), short(web));
      assert.match((await lab.fromOutside(get(`http://${lab.address}:8181/hostname`))).stdout, /refused/);
      assert.match(await lab.sh(neighbour, get("http://172.17.0.1:8181/hostname")), /refused/);
      assert.equal(await lab.sh(neighbour, get("http://172.17.0.1:8080/hostname")), short(web));
      for (const id of [web, neighbour, elsewhere]) await lab.remove(id);
      assert.match((await lab.onHost(get("http://127.0.0.1:8080/hostname"))).stdout, /refused/);
      assert.doesNotMatch(await lab.must(["nft", "list", "ruleset"]), /8080|8181/);
    });

    it("over UDP and IPv6, and exposed ones all when asked", async () => {
      const later: string[] = [];
      // A client that keeps its port, as name servers' clients do: it finds whoever has the port now.
      const echo = (text: string) => `const s=require("dgram").createSocket("udp4");s.on("message",(m,r)=>s.send("${text} "+m,r.port,r.address));s.bind(9)`;
      const ask = `const s=require("dgram").createSocket("udp4");s.on("message",m=>{console.log(String(m));process.exit()});s.bind(7777,()=>setInterval(()=>s.send("hi",9009,"${lab.address}"),50));setTimeout(()=>process.exit(1),5000)`;
      const ports = [{ containerPort: 9, protocol: "udp" as const, hostIp: "", hostPort: "9009" }];
      for (const name of ["one", "two"]) {
        const udp = await lab.run({ ports }, { name });
        const placeholder = name === "one" ? await lab.run({}) : undefined;   // the second gets another address
        const server = lab.spawnOnHost(["nsenter", `--net=${(await lab.details(udp)).sandboxKey}`, "--", process.execPath, "-e", echo(name)]);
        assert.equal((await lab.fromOutside(`${process.execPath} -e '${ask}'`)).stdout.trim(), `${name} hi`);
        server.kill("SIGKILL");
        await lab.remove(udp);
        if (placeholder) later.push(placeholder, await lab.run({}));
      }
      const six = await lab.run({ mode: "front", publishAll: true, ports: [tcp(80, "8086")] }, { ...httpd, exposedPorts: ["80/tcp", "81/tcp"] });
      assert.equal((await lab.fromOutside(get(`http://[${lab.address6}]:8086/hostname`))).stdout.trim(), short(six));
      assert.match((await lab.onHost(get("http://[::1]:8086/hostname"))).stdout, /refused/);
      assert.equal((await lab.onHost(get(`http://[${lab.address6}]:8086/hostname`))).stdout.trim(), short(six));
      const exposed = (await lab.details(six)).ports.filter((port) => port.containerPort === 81);
      assert.equal(exposed.length, 2);
      assert.equal(new Set(exposed.map((port) => port.hostPort)).size, 1);
      for (const id of [...later, six]) await lab.remove(id);
    });

    it("are refused where somebody has them, naming who; a range takes the next", async () => {
      const first = await lab.run({ ports: [tcp(80, "8090")] }, { name: "holder" });
      assert.match(await refusal(lab.run({ ports: [tcp(80, "8090")] })), /FAILED_PRECONDITION .*port is already allocated: container "holder"/);
      assert.match(await refusal(lab.run({ ports: [tcp(80, "8090", "127.0.0.1")] })), /"holder"/);
      const second = await lab.run({ ports: [tcp(80, "8090-8091")] });
      assert.equal((await lab.details(second)).ports[0]!.hostPort, "8091");
      assert.match(await refusal(lab.run({ ports: [tcp(80, "8090-8091")] })), /no port of the range is free/);
      assert.match(await refusal(lab.run({ ports: [tcp(80, "8099", "9.9.9.9")] })), /9\.9\.9\.9 is not an address of this host/);
      assert.match(await refusal(lab.run({ ports: [tcp(80, "99999")] })), /INVALID_ARGUMENT/);
      const listener: ChildProcess = lab.spawnOnHost(["busybox", "nc", "-l", "-p", "8099"]);
      await waitFor("the listener", async () => (await lab.must(["cat", "/proc/net/tcp", "/proc/net/tcp6"])).includes(":1FA3"));
      const said = await refusal(lab.run({ ports: [tcp(80, "8099")] }));
      listener.kill("SIGKILL");
      assert.match(said, /address already in use by "busybox" \(process \d+\)/);
      // Nothing is left of what was refused.
      assert.equal((await lab.network("bridge")).containers.length, 2);
      for (const id of [first, second]) await lab.remove(id);
    });
  });

  describe("whatever happens", () => {
    it("a daemon that is killed and started again changes nothing for what runs", async () => {
      const web = await lab.run({ mode: "front", ports: [tcp(80, "8085"), tcp(80, "")] }, { name: "steady", ...httpd });
      const peer = await lab.run({ mode: "front" });
      const before = [await lab.endpoint(web, "front"), (await lab.details(web)).ports];
      await lab.kill();
      assert.equal((await lab.fromOutside(get(`http://${lab.address}:8085/hostname`))).stdout.trim(), short(web));
      await lab.start();
      assert.deepEqual([await lab.endpoint(web, "front"), (await lab.details(web)).ports], before);
      assert.equal((await lab.fromOutside(get(`http://${lab.address}:8085/hostname`))).stdout.trim(), short(web));
      assert.equal(await lab.sh(peer, get("http://steady/hostname")), short(web));
      assert.match(await refusal(lab.run({ ports: [tcp(80, "8085")] })), /"steady"/);
      const third = await lab.run({ mode: "front" });
      assert.equal(new Set(await Promise.all([web, peer, third].map(async (id) => (await lab.endpoint(id, "front")).ipAddress))).size, 3);
      for (const id of [web, peer, third]) await lab.remove(id);
    });

    it("an audit puts back what somebody took away: rules, a bridge, a port's link", async () => {
      const web = await lab.run({ mode: "front", ports: [tcp(80, "8087")] }, httpd);
      const bridge = (await links()).find((name) => name.startsWith("sn"))!;
      const table = /table inet (skein_\w+)/.exec(await lab.must(["nft", "list", "tables"]))![1]!;
      await lab.must(["nft", "delete", "table", "inet", table]);
      for (const { name } of await lab.call<EngineNetwork[]>("networks.list")) if (name === "front") await lab.must(["sh", "-c", `for b in $(ip -o link show type bridge | grep -o 'sn[^:]*'); do ip link del $b; done`]);
      assert.ok(!(await links()).includes(bridge));
      await lab.call("networks.audit");
      assert.equal((await lab.fromOutside(get(`http://${lab.address}:8087/hostname`))).stdout.trim(), short(web));
      await lab.must(["nft", "flush", "map", "inet", table, "tcp4_any"]);
      await lab.call("networks.audit");
      assert.equal((await lab.fromOutside(get(`http://${lab.address}:8087/hostname`))).stdout.trim(), short(web));
      await lab.remove(web);
    });

    it("kill -9 between starts leaves nothing that the next daemon does not clean", async () => {
      for (let round = 0; round < 3; round++) {
        const running = Array.from({ length: 6 }, (_, i) => lab.run({ mode: "front", ports: [tcp(80, "")] }, { name: `killed-${round}-${i}` }));
        running.forEach((each) => each.catch(() => {}));
        await new Promise((resolve) => setTimeout(resolve, 30 + round * 60));
        await lab.kill();
        await lab.start();
        for (const { id } of await lab.call<{ id: string }[]>("list")) await lab.remove(id);
        assert.deepEqual((await lab.network("front")).containers, []);
      }
      await lab.kill();
      await lab.start();
      await waitFor("the links to go", async () => !(await links()).some((name) => name.startsWith("se")));
      assert.equal((await lab.onHost("ls /tmp/skein-networks-*/run/netns | wc -l")).stdout.trim(), "0");
      assert.doesNotMatch(await lab.must(["nft", "list", "ruleset"]), /\d+ : 172/);
    });

    it("fifty starts at once get fifty addresses, ports and namespaces", async () => {
      const ids = await Promise.all(Array.from({ length: 50 }, () => lab.run({ mode: "front", ports: [tcp(80, "")] })));
      const all = await Promise.all(ids.map((id) => lab.details(id)));
      assert.equal(new Set(all.map((each) => each.networks[0]!.ipAddress)).size, 50);
      assert.equal(new Set(all.flatMap((each) => each.ports.map((port) => port.hostPort))).size, 50);
      assert.equal(new Set(all.map((each) => each.sandboxKey)).size, 50);
      assert.match(await lab.sh(ids[0]!, `ping -c 1 -W 5 ${short(ids[49]!)}`), /1 packets received/);
      await Promise.all(ids.map((id) => lab.remove(id)));
      assert.deepEqual((await lab.network("front")).containers, []);
    });
  });
});

