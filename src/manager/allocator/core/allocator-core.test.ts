import { strict as assert } from "node:assert";
import { newNetwork, newNetworkSpec, newPort, parseCidr } from "../../../model/index.js";
import { AddressPool } from "./address-pool.js";
import { PortPool } from "./port-pool.js";
import { carve, numberNetwork } from "./subnets.js";

const cidr = (text: string) => parseCidr(text)!;

describe("address pool", () => {
  it("gives every address of a subnet once, but not network, broadcast and gateway", () => {
    const pool = new AddressPool(cidr("10.0.9.0/24"), "10.0.9.1");
    const given = new Set<string>();
    for (let i = 0; i < 253; i++) given.add(pool.take(`t${i}`)!);
    assert.equal(given.size, 253);
    assert.ok(["10.0.9.0", "10.0.9.1", "10.0.9.255"].every((addr) => !given.has(addr)));
    assert.equal(pool.take("one more"), undefined);
    assert.deepEqual([pool.used, pool.capacity], [253, 253]);
  });

  it("lets a freed address rest as long as there are others", () => {
    const pool = new AddressPool(cidr("10.0.9.0/29"), "10.0.9.1");
    const first = pool.take("a")!;
    pool.free(first, "a");
    const later = [1, 2, 3, 4].map((i) => pool.take(`b${i}`));
    assert.ok(!later.includes(first));
    assert.equal(pool.take("c"), first);
  });

  it("is freed by its owner only, and claimed by one", () => {
    const pool = new AddressPool(cidr("10.0.9.0/24"), "10.0.9.1");
    assert.equal(pool.claim("10.0.9.7", "a"), true);
    assert.equal(pool.claim("10.0.9.7", "a"), true);
    assert.equal(pool.claim("10.0.9.7", "b"), false);
    assert.equal(pool.claim("10.0.9.1", "b"), false);
    assert.equal(pool.claim("10.0.8.7", "b"), false);
    assert.equal(pool.free("10.0.9.7", "b"), false);
    assert.equal(pool.free("10.0.9.7", "a"), true);
  });

  for (const [subnet, capacity] of [["10.0.0.0/30", 1], ["10.0.0.0/29", 5], ["10.0.0.0/16", 65_533], ["10.0.0.0/8", 2 ** 24 - 3]] as const) {
    it(`${subnet} has room for ${capacity}`, () => assert.equal(new AddressPool(cidr(subnet), "10.0.0.1").capacity, capacity));
  }
});

describe("subnets", () => {
  const rules = { pools: ["10.0.0.0/8"], prefix: 24, underlay: [] };
  for (const [taken, underlay, expected] of [
    [[], [], "10.0.0.0/24"], [["10.0.0.0/24"], [], "10.0.1.0/24"], [["10.0.1.0/24"], [], "10.0.0.0/24"], [["10.0.0.0/16"], [], "10.1.0.0/24"],
    [["10.0.0.128/25", "10.0.2.0/23"], [], "10.0.1.0/24"], [[], ["10.0.0.5", "10.0.1.255"], "10.0.2.0/24"], [["192.168.0.0/16"], ["172.16.0.1"], "10.0.0.0/24"],
  ] as const) it(`next to ${[...taken, ...underlay].join(", ") || "nothing"} comes ${expected}`, () => {
    const got = carve(taken.map(cidr), { ...rules, underlay });
    assert.deepEqual(got, cidr(expected));
  });

  it("ends when the pools are used up, going from one to the next", () => {
    const small = { pools: ["10.9.0.0/25", "10.8.0.0/25"], prefix: 26, underlay: [] };
    const taken: ReturnType<typeof cidr>[] = [];
    for (let next = carve(taken, small); next; next = carve(taken, small)) taken.push(next);
    assert.equal(taken.length, 4);
  });

  const front = newNetwork({ id: "a", spec: newNetworkSpec({ name: "front" }), subnet: "10.0.0.0/24", gateway: "10.0.0.1", vni: 4096 });
  for (const [spec, reason] of [
    [{ subnet: "10.0.0.128/25" }, /subnet 10\.0\.0\.128\/25 overlaps network "front" \(10\.0\.0\.0\/24\)/], [{ subnet: "10.1.0.0/31" }, /at most \/30/],
    [{ subnet: "10.1.0.0/24", gateway: "10.2.0.1" }, /gateway 10\.2\.0\.1 is not a host address of 10\.1\.0\.0\/24/], [{ subnet: "10.1.0.0/24", gateway: "10.1.0.255" }, /not a host address/],
  ] as const) it(`refuses ${JSON.stringify(spec)} with the reason`, () => {
    const outcome = numberNetwork(newNetwork({ id: "b", spec: newNetworkSpec({ name: "back", ...spec }) }), [front], rules);
    assert.ok(outcome.kind === "refused" && reason.test(outcome.reason), JSON.stringify(outcome));
  });

  it("gives the wished subnet and gateway, and the lowest free VNI", () => {
    const outcome = numberNetwork(newNetwork({ id: "b", spec: newNetworkSpec({ name: "back", subnet: "172.30.0.0/16", gateway: "172.30.9.9" }) }), [front], rules);
    assert.deepEqual(outcome, { kind: "numbers", subnet: "172.30.0.0/16", gateway: "172.30.9.9", vni: 4097 });
  });
});

describe("published ports", () => {
  it("a dynamic port avoids what is taken and stays with its service", () => {
    const pool = new PortPool();
    pool.claim("TCP", 30_000, "other");
    const first = pool.assign([newPort({ targetPort: 80 }), newPort({ targetPort: 80, protocol: "UDP" })], [], "web");
    assert.ok("ports" in first);
    assert.deepEqual(first.ports.map((port) => port.publishedPort), [30_001, 30_000]);
    const second = pool.assign([newPort({ targetPort: 81 }), newPort({ targetPort: 80 })], first.ports, "web");
    assert.ok("ports" in second);
    assert.deepEqual(second.ports.map((port) => port.publishedPort), [30_002, 30_001]);
    assert.equal(pool.ownerOf("UDP", 30_000), undefined);
  });

  it("a refused assignment changes nothing", () => {
    const pool = new PortPool();
    pool.claim("TCP", 80, "other");
    const outcome = pool.assign([newPort({ targetPort: 1, publishedPort: 81 }), newPort({ targetPort: 2, publishedPort: 80 })], [], "web");
    assert.ok("taken" in outcome && outcome.by === "other");
    assert.equal(pool.ownerOf("TCP", 81), undefined);
  });

  it("ports of mode host are nobody's", () => {
    const pool = new PortPool();
    pool.claim("TCP", 80, "other");
    const outcome = pool.assign([newPort({ targetPort: 80, publishedPort: 80, mode: "HOST" })], [], "web");
    assert.ok("ports" in outcome && outcome.ports[0]!.publishedPort === 80);
  });

  it("the dynamic range can be used up", () => {
    const pool = new PortPool();
    for (let i = 0; i < 2_768; i++) assert.ok(pool.take("TCP", "web"));
    assert.equal(pool.take("TCP", "web"), undefined);
    assert.ok(pool.take("UDP", "web"));
  });
});
