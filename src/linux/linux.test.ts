import assert from "node:assert/strict";
import { silentLogger } from "../lib/index.js";
import { createKernel } from "./kernel.js";
import { parseForwarding, parseLinks, parseNeighbours } from "./observation.js";
import { parseResolvConf } from "./resolv-conf.js";
import { rulesFingerprint } from "./rules-fingerprint.js";
import { run } from "./spawn.js";
import { commandOf, scriptOf } from "./step.js";

describe("steps as commands", () => {
  it("run in the namespace they name", () => {
    assert.deepEqual(commandOf({ tool: "ip", netns: "skein-a", lines: ["link set lo up"] }).argv, ["ip", "-n", "skein-a", "-batch", "-"]);
    assert.deepEqual(commandOf({ tool: "nft", netns: "skein-a", text: "x\n" }).argv.slice(0, 2), ["nsenter", "--net=/run/netns/skein-a"]);
  });
  it("pass their input untouched by the shell", async () => {
    const stdin = "a $(id) `id` 'b' \"c\" \\ $HOME\n";
    const script = scriptOf([{ argv: ["sh", "-c", "cat >&2"], stdin, isTolerant: false }]);
    assert.equal((await run(["sh", "-c", script])).stderr, stdin);
  });
  it("hold nothing that would end a line or the input early", () => {
    assert.throws(() => commandOf({ tool: "ip", lines: ["link set lo up\nlink del eth0"] }), /one line/);
    assert.throws(() => scriptOf([{ argv: ["nft", "-f", "-"], stdin: "x\nSKEIN_END_0\nreboot\n", isTolerant: false }]), /its own end/);
  });
  it("end at the first failure, whose number is the exit code, unless they may fail", async () => {
    const step = (word: string, isTolerant = false) => ({ argv: [word], stdin: "", isTolerant });
    assert.equal((await run(["sh", "-c", scriptOf([step("true"), step("false", true), step("false"), step("true")])])).exitCode, 102);
    assert.equal((await run(["sh", "-c", scriptOf([step("true"), step("false", true)])])).exitCode, 0);
  });
});

describe("the kernel", () => {
  const kernel = createKernel({ log: silentLogger });
  it("names the line that it refused", async () => {
    await assert.rejects(kernel.apply([{ tool: "ip", netns: "skein-not-there", lines: ["link set lo up"] }]),
      { code: "INTERNAL", message: /Cannot change the network with "ip -n skein-not-there -batch -.*": .+/ });
  });
  it("is asked for everything at once", async () => {
    const observed = await kernel.observe();
    assert.equal(observed.links.some((link) => link.name === "lo" && link.isUp), true);
  });
  it("has no namespaces and no rules where there are none", async () => {
    assert.deepEqual(await kernel.listNamespaces("no-such-prefix-"), []);
    assert.deepEqual(await kernel.listRules(["skein-not-there"]), [""]);
  });
});

describe("a program that cannot run", () => {
  it("is a failure with a reason, not an exception", async () => {
    assert.match((await run(["/no/such/program"])).stderr, /ENOENT/);
    assert.match((await run(["sleep", "5"], { timeoutMs: 20 })).stderr, /killed by SIGKILL/);
  });
});

describe("observations", () => {
  it("tell a tunnel's rows from a bridge's", () => {
    const rows = parseForwarding('[{"mac":"02:42:0a:09:01:0c","ifname":"sv1001","dst":"198.18.0.2","flags":["self"],"state":"static"},{"mac":"02:42:0a:09:01:0b","ifname":"sp1","flags":[],"master":"sb1001","state":"static"}]');
    assert.deepEqual(rows.map((row) => [row.device, row.via, row.vtep, row.state]), [["sv1001", "self", "198.18.0.2", "static"], ["sp1", "master", "", "static"]]);
  });
  it("read a tunnel's settings", () => {
    const [link] = parseLinks('[{"ifname":"sv1001","flags":["UP"],"mtu":1450,"master":"sb1001","linkinfo":{"info_kind":"vxlan","info_data":{"id":4097,"port":4789,"local":"198.18.0.1","learning":false},"info_slave_kind":"bridge","info_slave_data":{"learning":false,"flood":true}}}]');
    assert.deepEqual(link!.vxlan, { vni: 4097, port: 4789, local: "198.18.0.1", isLearning: false });
    assert.deepEqual(link!.bridgePort, { isLearning: false, isFlooding: true });
  });
  it("are empty where iproute2 prints nothing", () => { assert.deepEqual(parseNeighbours(""), []); });
  it("of ruleshave one fingerprint in whatever order the kernel lists elements", () => {
    const a = "set x {\n\telements = { 1,\n\t\t 2 }\n}";
    assert.equal(rulesFingerprint(a), rulesFingerprint("set x {\n  elements = { 2, 1 }\n}"));
    assert.notEqual(rulesFingerprint(a), rulesFingerprint("set x {\n  elements = { 2, 3 }\n}"));
  });
  it("read the first three name servers", () => {
    assert.deepEqual(parseResolvConf("# x\nnameserver 192.0.2.1\nsearch a\n nameserver 192.0.2.2 # y\nnameserver ::1\nnameserver 192.0.2.4\n"), ["192.0.2.1", "192.0.2.2", "::1"]);
  });
});
