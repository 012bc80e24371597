import assert from "node:assert/strict";
import dnsPacket, { type RecordType } from "dns-packet";
import type { DnsClient, DnsTable } from "../core/dns-table.js";
import { decide, serverFailure, udpLimitOf } from "./answer.js";

const client: DnsClient = { sandboxId: "a", networkIds: ["front"], servers: [], hasWayOut: true };
const many = Array.from({ length: 60 }, (_, i) => `10.9.1.${i + 1}`);
const table: DnsTable = {
  clientAt: () => client, nameOf: (_, addr) => (addr === "10.9.1.2" ? "web.front" : undefined),
  addressesOf: (_, name) => ({ web: ["10.9.1.2"], many, idle: [] } as Record<string, string[]>)[name],
};
const ask = (name: string, type: RecordType = "A", fields: Partial<Parameters<typeof decide>[1]> = {}) =>
  decide(dnsPacket.encode({ type: "query", id: 7, flags: dnsPacket.RECURSION_DESIRED, questions: [{ name, type }] }), { table, client, shuffle: (items) => [...items], limit: 512, ...fields });
const replyTo = (...args: Parameters<typeof ask>) => {
  const decision = ask(...args);
  assert.equal(decision.kind, "reply");
  return dnsPacket.decode((decision as { bytes: Buffer }).bytes) as dnsPacket.DecodedPacket & { rcode: string };
};

describe("answers to DNS questions", () => {
  it("carry the question's id and a short life", () => {
    const reply = replyTo("web");
    assert.deepEqual([reply.id, reply.rcode, reply.answers!.map((a) => "data" in a && a.data), "ttl" in reply.answers![0]! && reply.answers![0]!.ttl], [7, "NOERROR", ["10.9.1.2"], 2]);
  });
  it("for other types of a known name, and for a service with nothing ready, are empty, not a denial", () => {
    for (const reply of [replyTo("web", "AAAA"), replyTo("web", "MX"), replyTo("idle")]) assert.deepEqual([reply.rcode, reply.answers], ["NOERROR", []]);
  });
  it("that are too long for UDP are cut and say so, and over TCP are whole", () => {
    const cut = replyTo("many");
    assert.equal(cut.flag_tc, true);
    assert.equal(cut.answers!.length > 5 && cut.answers!.length < 60, true);
    const whole = replyTo("many", "A", { limit: 65_535 });
    assert.deepEqual([whole.flag_tc, whole.answers!.length], [false, 60]);
  });
  it("name an address", () => {
    assert.deepEqual(replyTo("2.1.9.10.in-addr.arpa", "PTR").answers!.map((a) => "data" in a && a.data), ["web.front"]);
    assert.equal(ask("3.1.9.10.in-addr.arpa", "PTR").kind, "forward");
  });
  it("are left to other servers for other names, but not for a client without a way outside, and strangers get none", () => {
    assert.equal(ask("example.org").kind, "forward");
    assert.equal(replyTo("example.org", "A", { client: { ...client, hasWayOut: false } }).rcode, "NXDOMAIN");
    assert.equal(replyTo("tasks.nothing").rcode, "NXDOMAIN");
    assert.equal(replyTo("web", "A", { client: undefined }).rcode, "REFUSED");
  });
  it("to garbage, and to answers, are silence", () => {
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(5, 1), Buffer.alloc(40, 0xff), dnsPacket.encode({ type: "response", id: 1, questions: [{ name: "web", type: "A" }] })]) {
      assert.equal(decide(bytes, { table, client, shuffle: (items) => [...items], limit: 512 }).kind, "drop");
    }
    assert.equal(serverFailure(Buffer.alloc(3), 512), undefined);
  });
  it("may be as long as the client says, within a packet without fragments", () => {
    const withEdns = (size: number) => dnsPacket.encode({ type: "query", id: 1, questions: [{ name: "web", type: "A" }],
      additionals: [{ type: "OPT", name: ".", udpPayloadSize: size, flags: 0, options: [], extendedRcode: 0, ednsVersion: 0, flag_do: false }] as never });
    assert.deepEqual([udpLimitOf(withEdns(900)), udpLimitOf(withEdns(4096)), udpLimitOf(withEdns(100)), udpLimitOf(Buffer.alloc(1))], [900, 1232, 512, 512]);
  });
});
