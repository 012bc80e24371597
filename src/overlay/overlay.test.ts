import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { waitFor } from "../lib/testing.js";
import { macOf, newPort, type EndpointSet, type NodeAttachmentSet, type PortConfig } from "../model/index.js";
import type { OverlayState } from "./api.js";
import { TestLab, type TestHost } from "./testing/lab.js";
import { endpoint, endpointSet, network, sandbox, taskId } from "./testing/states.js";

// No assert.ok here: on failure it parses this whole file, compiled to one line, to find its own words, which takes minutes.
const busybox = "/bin/busybox";
const require_ = (name: string): string => createRequire(import.meta.url).resolve(name);
const holderOf = (host: TestHost): number => host.pid;

// Real kernels' networking: network namespaces, bridges, VXLAN and nftables. Needs root.
describe("the overlay on three hosts", function () {
  this.timeout(60_000);
  const lab = new TestLab();
  let [h1, h2, h3]: TestHost[] = [];
  const networks = [network("front", 1), network("back", 2), network("dark", 3, { isInternal: true }), network("ingress", 4, { isIngress: true })];
  /** The cluster's endpoints; tests change them and call applyAll(). */
  let endpoints: EndpointSet[] = [];
  let ports: PortConfig[] = [];

  const stateFor = (host: TestHost): OverlayState => ({
    nodeId: host.id, dataPort: 4789, networks, endpoints,
    nodeAttachments: [{ networkId: "ingress", nodes: lab.hosts.map((node, index) => (
      { nodeId: node.id, addr: `10.9.4.${101 + index}/24`, mac: macOf(`10.9.4.${101 + index}`), vtep: node.addr })) } satisfies NodeAttachmentSet],
  });
  const applyAll = () => Promise.all(lab.hosts.map((host) => host.apply(stateFor(host))));

  before(async () => {
    if (process.getuid?.() !== 0) throw new Error("these tests make network namespaces: run them as root");
    await lab.begin(3, { upstream: lab.outside });
    [h1, h2, h3] = lab.hosts as [TestHost, TestHost, TestHost];
    ports = [newPort({ targetPort: 8080, publishedPort: 80 }), newPort({ targetPort: 5300, publishedPort: 5300, protocol: "UDP" })];
    setEndpoints(true);
    await applyAll();
    await h1!.attach(sandbox("web.1", [["front", "10.9.1.11"], ["ingress", "10.9.4.11"]]));
    await h2!.attach(sandbox("web.2", [["front", "10.9.1.12"], ["ingress", "10.9.4.12"]]));
    await h1!.attach(sandbox("client.1", [["front", "10.9.1.21"]]));
    await h1!.attach(sandbox("db.1", [["back", "10.9.2.11"]]));
    await h1!.attach(sandbox("both.1", [["back", "10.9.2.12"], ["front", "10.9.1.22"]]));
    await h2!.attach(sandbox("secret.1", [["dark", "10.9.3.11"]]));
    await h1!.attach(sandbox("secret.2", [["dark", "10.9.3.12"]]));
    await serve(h1!, "web.1");
    await serve(h2!, "web.2");
    await serve(h1!, "db.1");
  });
  after(() => lab.end());

  function setEndpoints(isSecondReady: boolean, more: EndpointSet[] = []): void {
    endpoints = [
      endpointSet("front", "web", "10.9.1.2", [endpoint("web.1", "10.9.1.11", h1!), endpoint("web.2", "10.9.1.12", h2!, isSecondReady)], [], ["www"]),
      endpointSet("ingress", "web", "10.9.4.2", [endpoint("web.1", "10.9.4.11", h1!), endpoint("web.2", "10.9.4.12", h2!, isSecondReady)], ports),
      endpointSet("front", "idle", "10.9.1.3", []),
      endpointSet("front", "direct", "", [endpoint("web.1", "10.9.1.11", h1!), endpoint("web.2", "10.9.1.12", h2!, isSecondReady)]),
      endpointSet("back", "db", "10.9.2.2", [endpoint("db.1", "10.9.2.11", h1!), endpoint("both.1", "10.9.2.12", h1!, false)]),
      endpointSet("dark", "secret", "10.9.3.2", [endpoint("secret.1", "10.9.3.11", h2!), endpoint("secret.2", "10.9.3.12", h1!)]),
      endpointSet("front", "clients", "10.9.1.5", [endpoint("client.1", "10.9.1.21", h1!), endpoint("both.1", "10.9.1.22", h1!)]),
      ...more,
    ];
  }

  async function serve(host: TestHost, name: string): Promise<void> {
    const dir = join(host.stateDir, `www-${name}`);
    await mkdir(dir, { recursive: true });
    await writeFile(join(dir, "index.html"), name);
    host.spawnInSandbox(taskId(name), [busybox, "httpd", "-f", "-p", "8080", "-h", dir]);
    await waitFor(`${name} to listen`, async () => (await host.inSandbox(taskId(name), ["ss", "-ltn"])).stdout.includes(":8080"));
  }
  const get = async (host: TestHost, from: string, address: string, path = "") =>
    (await host.inSandbox(taskId(from), ["timeout", "2", busybox, "wget", "-q", "-O", "-", `http://${address}/${path}`])).stdout;
  const getFromHost = async (host: TestHost, address: string) => (await host.exec(["timeout", "2", busybox, "wget", "-q", "-O", "-", `http://${address}/`])).stdout;
  const getFromOutside = async (address: string) => (await lab.inFabric(["timeout", "2", busybox, "wget", "-q", "-O", "-", `http://${address}/`])).stdout;
  const ping = async (host: TestHost, from: string, address: string, waitSeconds = 1) =>
    (await host.inSandbox(taskId(from), [busybox, "ping", "-c", "1", "-W", String(waitSeconds), address])).exitCode === 0;
  const resolve = async (host: TestHost, from: string, name: string, type = "a") =>
    (await host.inSandbox(taskId(from), [busybox, "nslookup", `-type=${type}`, name, "127.0.0.11"])).stdout.split("\n").slice(2)
      .map((line) => /^Address: (\S+)|name = (\S+)/.exec(line)).filter((match) => match !== null).map((match) => match[1] ?? match[2]!).sort();
  const many = async (count: number, request: () => Promise<string>) => {
    const seen = new Set<string>();
    for (let i = 0; i < count; i++) seen.add(await request());
    return [...seen].sort();
  };

  it("carries packets between tasks on different hosts", async () => {
    assert.equal(await ping(h1!, "client.1", "10.9.1.12"), true);
    assert.equal(await get(h1!, "client.1", "10.9.1.12:8080"), "web.2");
  });

  it("carries packets of the largest size between hosts without fragments", async () => {
    const { stdout } = await h1!.inSandbox(taskId("client.1"), ["ip", "-j", "link", "show", "eth0"]);
    assert.equal(JSON.parse(stdout)[0].mtu, 1450);
    const dir = join(h2!.stateDir, "www-web.2");
    await writeFile(join(dir, "large"), Buffer.alloc(1_000_000, "x"));
    assert.equal((await get(h1!, "client.1", "10.9.1.12:8080", "large")).length, 1_000_000);
    for (const host of [h1!, h2!]) {
      const [names, values] = (await host.exec(["cat", "/proc/net/snmp"])).stdout.split("\n").filter((line) => line.startsWith("Ip:")).map((line) => line.split(" "));
      assert.equal(values![names!.indexOf("FragCreates")], "0", host.id);
    }
  });

  it("resolves services, their tasks, their aliases and task names, and denies what is not there", async () => {
    assert.deepEqual(await resolve(h1!, "client.1", "web"), ["10.9.1.2"]);
    assert.deepEqual(await resolve(h1!, "client.1", "WEB."), ["10.9.1.2"]);
    assert.deepEqual(await resolve(h1!, "client.1", "web.front"), ["10.9.1.2"]);
    assert.deepEqual(await resolve(h1!, "client.1", "www"), ["10.9.1.2"]);
    assert.deepEqual(await resolve(h1!, "client.1", "tasks.web"), ["10.9.1.11", "10.9.1.12"]);
    assert.deepEqual(await resolve(h1!, "client.1", "direct"), ["10.9.1.11", "10.9.1.12"]);
    assert.deepEqual(await resolve(h1!, "client.1", "web.2"), ["10.9.1.12"]);
    assert.deepEqual(await resolve(h1!, "client.1", "web", "aaaa"), []);
    assert.deepEqual(await resolve(h1!, "client.1", "12.1.9.10.in-addr.arpa", "ptr"), ["web.2.front"]);
    assert.deepEqual(await resolve(h2!, "web.2", "web.1"), ["10.9.1.11"]);
    assert.match((await h1!.inSandbox(taskId("client.1"), [busybox, "nslookup", "tasks.nothing", "127.0.0.11"])).stdout, /NXDOMAIN/);
  });

  it("shows names of a task's own networks only", async () => {
    assert.deepEqual(await resolve(h1!, "client.1", "tasks.db"), []);
    assert.deepEqual(await resolve(h1!, "both.1", "tasks.db"), ["10.9.2.11"]);
    assert.deepEqual(await resolve(h1!, "both.1", "web"), ["10.9.1.2"]);
  });

  it("asks the host's servers for other names, also over TCP, but not on behalf of an internal network", async () => {
    const script = `const dns=require(${JSON.stringify(require_("dns-packet"))});
      const answer=(b)=>{const q=dns.decode(b);return dns.encode({type:"response",id:q.id,flags:0,questions:q.questions,answers:[{type:"A",name:q.questions[0].name,ttl:1,data:"192.0.2.7"}]})};
      const u=require("dgram").createSocket("udp4");u.on("message",(m,r)=>u.send(answer(m),r.port,r.address));u.bind(53);
      require("net").createServer(s=>s.on("data",d=>{const a=answer(d.subarray(2));const l=Buffer.alloc(2);l.writeUInt16BE(a.length);s.end(Buffer.concat([l,a]))})).listen(53)`;
    const server = lab.spawn([...lab.enterFabric(), process.execPath, "-e", script]);
    await waitFor("the outside server", async () => (await lab.inFabric(["ss", "-lun"])).stdout.includes(":53"));
    assert.deepEqual(await resolve(h1!, "client.1", "example.org"), ["192.0.2.7"]);
    assert.deepEqual(await resolve(h1!, "secret.2", "example.org"), []);
    assert.deepEqual(await resolve(h1!, "secret.2", "tasks.secret"), ["10.9.3.11", "10.9.3.12"]);
    const overTcp = `const s=require("net").connect(53,"127.0.0.11",()=>{const q=require(${JSON.stringify(require_("dns-packet"))}).encode({type:"query",id:9,flags:256,questions:[{type:"A",name:process.argv[1]}]});
      const l=Buffer.alloc(2);l.writeUInt16BE(q.length);s.write(Buffer.concat([l,q]))});s.on("data",d=>{console.log(require(${JSON.stringify(require_("dns-packet"))}).decode(d.subarray(2)).answers.map(a=>a.data).join());s.end()});setTimeout(()=>process.exit(1),3000).unref()`;
    assert.equal((await h1!.inSandbox(taskId("client.1"), [process.execPath, "-e", overTcp, "web"])).stdout.trim(), "10.9.1.2");
    assert.equal((await h1!.inSandbox(taskId("client.1"), [process.execPath, "-e", overTcp, "example.org"])).stdout.trim(), "192.0.2.7");
    server.kill("SIGKILL");
  });

  it("balances a virtual address over tasks on different hosts, on any port and for ping too", async () => {
    assert.deepEqual(await many(24, () => get(h1!, "client.1", "10.9.1.2:8080")), ["web.1", "web.2"]);
    assert.equal(await ping(h1!, "client.1", "10.9.1.2"), true);
    assert.equal(await ping(h1!, "web.1", "10.9.1.2"), true, "also from a task that is a backend itself");
  });

  it("refuses at once what has no ready task", async () => {
    const startedAt = Date.now();
    const result = await h1!.inSandbox(taskId("client.1"), [busybox, "nc", "-w", "5", "10.9.1.3", "80"]);
    assert.match(result.stderr, /refused/);
    assert.equal(Date.now() - startedAt < 2_000, true);
  });

  it("sends nothing to a task that is not ready, and everything again once it is", async () => {
    setEndpoints(false);
    await applyAll();
    assert.deepEqual(await many(24, () => get(h1!, "client.1", "10.9.1.2:8080")), ["web.1"]);
    assert.deepEqual(await many(24, () => getFromOutside(h3!.addr)), ["web.1"]);
    assert.deepEqual(await resolve(h1!, "client.1", "tasks.web"), ["10.9.1.11"]);
    assert.equal(await get(h1!, "client.1", "10.9.1.12:8080"), "web.2", "its address still works");
    setEndpoints(true);
    await applyAll();
    assert.deepEqual(await many(24, () => get(h1!, "client.1", "10.9.1.2:8080")), ["web.1", "web.2"]);
  });

  it("answers a published port on every host, also where no task runs, from outside, from the host and on loopback", async () => {
    for (const host of lab.hosts) {
      assert.deepEqual(await many(24, () => getFromOutside(host.addr)), ["web.1", "web.2"], host.id);
      assert.match(await getFromHost(host, host.addr), /^web\./, host.id);
      assert.match(await getFromHost(host, "127.0.0.1"), /^web\./, host.id);
    }
    assert.match(await get(h1!, "client.1", h3!.addr), /^web\./, "from a task");
  });

  it("forwards a published UDP port and brings the reply back", async () => {
    const echo = `const s=require("dgram").createSocket("udp4");s.on("message",(m,r)=>s.send("echo "+m,r.port,r.address));s.bind(5300)`;
    for (const [host, name] of [[h1!, "web.1"], [h2!, "web.2"]] as const) {
      host.spawnInSandbox(taskId(name), [process.execPath, "-e", echo]);
      await waitFor("the echo", async () => (await host.inSandbox(taskId(name), ["ss", "-lun"])).stdout.includes(":5300"));
    }
    const ask = `const s=require("dgram").createSocket("udp4");s.on("message",m=>{console.log(String(m));s.close()});s.send("hi",5300,process.argv[1]);setTimeout(()=>process.exit(1),2000).unref()`;
    assert.equal((await lab.inFabric([process.execPath, "-e", ask, h3!.addr])).stdout.trim(), "echo hi");
  });

  it("keeps networks apart", async () => {
    assert.equal(await ping(h1!, "client.1", "10.9.2.11"), false, "same host, by the gateway");
    assert.equal(await ping(h2!, "web.2", "10.9.2.11"), false, "another host");
    assert.equal(await ping(h1!, "both.1", "10.9.2.11"), true, "with a foot in both");
    assert.equal((await lab.inFabric(["ip", "route", "add", "10.9.2.0/24", "via", h1!.addr])).exitCode, 0);
    assert.equal((await lab.inFabric([busybox, "ping", "-c", "1", "-W", "1", "10.9.2.11"])).exitCode, 1, "nobody outside reaches in");
  });

  it("lets tasks out by the host's address, but not those of an internal network", async () => {
    assert.equal(await ping(h1!, "client.1", lab.outside), true);
    assert.equal(await ping(h1!, "secret.2", "10.9.3.11"), true, "an internal network spans hosts");
    assert.equal(await ping(h1!, "secret.2", lab.outside), false);
    await h1!.inSandbox(taskId("secret.2"), ["ip", "route", "add", "default", "via", "10.9.3.1"]);
    assert.equal(await ping(h1!, "secret.2", lab.outside), false, "nor by a route of their own");
  });

  it("gives a task without networks the host's bridge, a way out and its host-mode ports", async () => {
    const got = await h3!.attach(sandbox("lone.1", [], { hostPorts: [newPort({ targetPort: 8080, publishedPort: 8081, mode: "HOST" }), newPort({ targetPort: 9000, mode: "HOST" })] }));
    assert.match(got.hosts, /172\.30\.0\.2\tlone-1/);
    assert.deepEqual(got.hostPorts.map((port) => port.publishedPort), [8081, 30000]);
    await serve(h3!, "lone.1");
    assert.equal(await ping(h3!, "lone.1", lab.outside), true);
    assert.equal(await getFromOutside(`${h3!.addr}:8081`), "lone.1");
    assert.equal(await getFromHost(h3!, "127.0.0.1:8081"), "lone.1");
    assert.equal(await get(h3!, "lone.1", `${h3!.addr}:8081`), "lone.1", "also from itself");
    await assert.rejects(h3!.attach(sandbox("lone.2", [], { hostPorts: [newPort({ targetPort: 1, publishedPort: 8081, mode: "HOST" })] })),
      { code: "FAILED_PRECONDITION", message: /Cannot publish port 8081\/tcp .*: another container has it/ });
    await h3!.detach(taskId("lone.1"));
    assert.equal(await getFromOutside(`${h3!.addr}:8081`), "");
  });

  it("says which network it does not know yet", async () => {
    await assert.rejects(h1!.attach(sandbox("lost.1", [["nowhere", "10.9.7.2"]])), { code: "UNAVAILABLE", message: /does not know the network yet/ });
  });

  it("finds and repairs what somebody else changed", async () => {
    const audit = async () => (await h1!.call("audit")).result as number;
    assert.equal(await audit(), 0);
    await h1!.exec(["sh", "-c", "bridge fdb del 02:42:0a:09:01:0c dev sv1001 dst 198.18.77.2 self; ip neigh del 10.9.1.12 dev sv1001"]);
    assert.equal(await ping(h1!, "client.1", "10.9.1.12"), false);
    assert.equal(await audit() > 0, true);
    assert.equal(await ping(h1!, "client.1", "10.9.1.12"), true, "rows");

    await h1!.exec(["bridge", "fdb", "append", "02:42:0a:09:01:63", "dev", "sv1001", "dst", "198.18.77.3", "self", "static"]);
    assert.equal(await audit() > 0, true, "a row too many");

    await h1!.exec(["nft", "flush", "ruleset"]);
    assert.equal(await getFromOutside(h1!.addr), "");
    assert.equal(await audit() > 0, true);
    assert.match(await getFromOutside(h1!.addr), /^web\./, "the host's rules");

    await h1!.inSandbox(taskId("client.1"), ["nft", "flush", "map", "ip", "skein", "vips16"]);
    assert.equal(await get(h1!, "client.1", "10.9.1.2:8080"), "");
    assert.equal(await audit() > 0, true);
    assert.match(await get(h1!, "client.1", "10.9.1.2:8080"), /^web\./, "a sandbox's rules");

    await h1!.exec(["ip", "link", "del", "sb1001"]);
    assert.equal(await audit() > 0, true);
    assert.match(await get(h1!, "client.1", "10.9.1.12:8080"), /web.2/, "a bridge with everything on it");
    assert.deepEqual(await resolve(h1!, "client.1", "web"), ["10.9.1.2"]);

    await h1!.exec(["sh", "-c", "ip link del $(ip -br link show type veth | grep -o '^sp[a-z0-9.]*' | head -1)"]);
    assert.equal(await audit() > 0, true);
    assert.equal(await audit(), 0);
    for (const name of ["web.1", "client.1"]) assert.equal(await ping(h1!, name, "10.9.1.12"), true, `the interface of ${name}`);
  });

  it("a daemon that is killed leaves everything working, and the next one adopts it with connections unbroken", async () => {
    const listening = h2!.spawnInSandbox(taskId("web.2"), [process.execPath, "-e", `require("net").createServer(s=>s.pipe(s)).listen(7000)`]);
    await waitFor("the echo", async () => (await h2!.inSandbox(taskId("web.2"), ["ss", "-ltn"])).stdout.includes(":7000"));
    // A long connection through the virtual address of a service with one task, and by a published port.
    setEndpoints(true, [endpointSet("front", "echo", "10.9.1.4", [endpoint("web.2", "10.9.1.12", h2!)])]);
    await applyAll();
    const talk = `const s=require("net").connect(7000,"10.9.1.4");let n=0;s.on("data",()=>n++);s.on("close",()=>{console.log("broken after "+n);process.exit(1)});s.on("error",()=>{});
      const t=setInterval(()=>s.write("x"),50);process.on("SIGTERM",()=>{console.log("fine "+(n>20));process.exit(0)})`;
    const talker = lab.spawn(["nsenter", "-t", String(holderOf(h1!)), "-n", "-m", "--", "nsenter", `--net=/run/netns/skein-${taskId("client.1")}`, "--", process.execPath, "-e", talk], "pipe");
    let said = "";
    talker.stdout!.on("data", (chunk: Buffer) => { said += chunk.toString(); });
    await waitFor("a connection", async () => (await h1!.inSandbox(taskId("client.1"), ["ss", "-tn"])).stdout.includes(":7000"));

    await h1!.killDaemon();
    assert.match(await get(h1!, "client.1", "10.9.1.2:8080"), /^web\./);
    assert.match(await getFromOutside(h1!.addr), /^web\./);
    await h1!.startDaemon();
    assert.equal((await h1!.list()).includes(taskId("client.1")), true);
    // Attached again before it heard of any network, as an agent does that comes back.
    await h1!.attach(sandbox("client.1", [["front", "10.9.1.21"]]));
    assert.match(await getFromOutside(h1!.addr), /^web\./, "nothing is torn down before the state is known");
    await h1!.apply(stateFor(h1!));
    assert.deepEqual(await resolve(h1!, "client.1", "web"), ["10.9.1.2"]);
    assert.equal((await h1!.call("audit")).result, 0);
    assert.deepEqual(await many(24, () => get(h1!, "client.1", "10.9.1.2:8080")), ["web.1", "web.2"]);

    await new Promise((resolve) => setTimeout(resolve, 1_100)); // the talker's own count is its proof that it goes on
    talker.kill("SIGTERM");
    await waitFor("the talker's word", () => said !== "");
    assert.equal(said.trim(), "fine true");
    listening.kill("SIGKILL");
  });

  it("drops the rows of a network that is no longer needed here, with its links", async () => {
    await h3!.apply({ ...stateFor(h3!), networks: networks.filter((one) => one.id !== "dark"), endpoints: endpoints.filter((set) => set.networkId !== "dark") });
    assert.doesNotMatch((await h3!.exec(["ip", "-br", "link"])).stdout, /s[bv]1003/);
    assert.match((await h3!.exec(["ip", "-br", "link"])).stdout, /sv1001/);
  });

  it("detaching leaves nothing of a sandbox, twice as well as once", async () => {
    const count = async () => (await h1!.exec(["ip", "-br", "link", "show", "type", "veth"])).stdout.split("\n").filter((line) => line.startsWith("sp")).length;
    const before = await count();
    await h1!.attach(sandbox("brief.1", [["front", "10.9.1.50"], ["back", "10.9.2.50"]]));
    assert.equal(await count(), before + 2);
    await h1!.detach(taskId("brief.1"));
    await h1!.detach(taskId("brief.1"));
    assert.equal(await count(), before);
    assert.equal((await h1!.list()).includes(taskId("brief.1")), false);
    assert.equal((await h1!.call("audit")).result, 0);
  });

  it("many sandboxes at once", async () => {
    const names = Array.from({ length: 12 }, (_, index) => `burst.${index}`);
    await Promise.all(names.map((name, index) => h2!.attach(sandbox(name, [["front", `10.9.1.${100 + index}`]]))));
    const reach = await Promise.all(names.map((_, index) => ping(h1!, "client.1", `10.9.1.${100 + index}`)));
    assert.deepEqual(reach, names.map(() => false), "nobody told the first host of them");
    for (let index = 0; index < names.length; index++) assert.equal(await ping(h2!, "web.2", `10.9.1.${100 + index}`), true, names[index]);
    await Promise.all(names.map((name) => h2!.detach(taskId(name))));
    assert.equal((await h2!.call("audit")).result, 0);
  });

  it("destroying leaves the host as it was", async () => {
    for (const host of lab.hosts) {
      await host.call("destroy");
      const links = JSON.parse((await host.exec(["ip", "-j", "link", "show"])).stdout) as { ifname: string }[];
      assert.deepEqual(links.map((link) => link.ifname), ["lo", "eth0"]);
      assert.equal((await host.exec(["nft", "list", "ruleset"])).stdout, "");
      assert.deepEqual(await host.list(), []);
    }
  });
});
