import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

interface Seen { first: Look; second: Look; third: Look; macvlan: string; ports: string; refused: string[]; isKept: boolean; seen: object[]; routes: string[]; isHome: boolean; isGone: boolean }
interface Look { addresses: string[]; routes: string[]; rules: string; settings: string; link: string; ports: string }

/** In network and mount namespaces that end with it. */
function life(kind: "netlink" | "ip"): Seen {
  const directory = mkdtempSync(join(tmpdir(), "skein-links-"));
  try {
    return JSON.parse(execFileSync("unshare", ["--net", "--mount", "--propagation", "private", process.execPath, "--import", createRequire(import.meta.url).resolve("tsx"), new URL("./testing/links-child.ts", import.meta.url).pathname, kind, directory], { encoding: "utf8" })) as Seen;
  } finally { rmSync(directory, { recursive: true, force: true }); }
}

describe("links of a host", function () {
  this.timeout(60_000);
  let byNetlink: Seen;
  before(() => { byNetlink = life("netlink"); });

  it("a namespace gets its addresses, routes, name rules and place on the bridge", () => {
    const { first, second, third, macvlan, ports, seen, routes } = byNetlink;
    assert.match(first.addresses.join("\n"), /172\.40\.0\.2\/16[\s\S]*fd77::2\/64/);
    assert.deepEqual(first.routes.filter((route) => route.startsWith("default")), ["default via 172.40.0.1 dev eth0", "default via fd77::1 dev eth0"]);
    assert.match(first.rules, /ip daddr 127\.0\.0\.11 udp dport 53 dnat to 172\.40\.0\.1:53/);
    assert.equal(first.settings, "0\n1");
    assert.match(first.link, /mtu 1400\nlink\/ether 02:42:ac:28:00:02/);
    assert.deepEqual(first.ports.trim().split("\n"), ["master br8", "hairpin on", " flood on", "isolated on"]);
    assert.match(second.ports, /master br9\nhairpin on\n flood off\nisolated off\n02:42:ac:29:00:02 dev ve9 .*static/);
    assert.deepEqual(second.routes.filter((route) => route.startsWith("default")), ["default via 172.41.0.1 dev eth1"]);
    assert.match(second.rules, /dnat to 172\.41\.0\.1:53/);
    assert.ok(!third.addresses.join().includes("eth1") && third.rules === "");
    assert.equal(macvlan, "macvlan mode bridge");
    assert.match(ports, /8081 : 172\.40\.0\.2 \. 80.*8082|8082 : 172\.40\.0\.2 \. 80.*8081/);
    assert.deepEqual(seen, [{ name: "br8", mac: "02:42:ac:28:00:01", mtu: 1400, isUp: true }, { name: "br9", mac: "02:42:ac:29:00:01", mtu: 1500, isUp: true }]);
    assert.deepEqual(routes.sort(), ["172.40.0.0/16 br8", "172.41.0.0/16 br9"]);
  });

  it("the thread is always back in its own namespace, also when something is refused, and nothing is left", () => {
    assert.deepEqual(byNetlink.refused.map((text) => text.split(" ").slice(0, 2).join(" ")), ["Cannot attach", "Cannot attach", "Cannot forward"]);
    assert.ok(byNetlink.isHome && byNetlink.isGone && byNetlink.isKept);
  });

  it("the ip program does the same, where the C library cannot be called", () => {
    const byProgram = life("ip");
    const withoutPaths = (seen: Seen) => JSON.parse(JSON.stringify(seen).replace(/skein-links-\w+/g, "")) as Seen;
    assert.deepEqual(withoutPaths(byProgram), withoutPaths(byNetlink));
  });
});
