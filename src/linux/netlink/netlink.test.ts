import assert from "node:assert/strict";
import { attribute, decodeAttributes, decodeMessages, encodeMessages, flagAck, nested, text, textOf, uint16, uint32 } from "./message.js";
import { forgetting } from "./conntrack-messages.js";
import { addAddress, addressBytes, addVeth, linkOf, routeOf } from "./route-messages.js";
import { changeElements, resolverRules } from "./nft-messages.js";

const inetPort = (map: string, hostAddress: string | undefined) => ({ map, hostAddress, hostPort: 8080, address: "172.18.0.2", port: 80 });

describe("netlink messages", () => {
  it("attributes are padded to four bytes and read back", () => {
    const bytes = Buffer.concat([text(3, "eth0"), uint32(4, 1500), uint16(9, 7), nested(18, [text(1, "veth")])]);
    assert.equal(bytes.length % 4, 0);
    const found = decodeAttributes(bytes);
    assert.equal(textOf(found.get(3)), "eth0");
    assert.equal(found.get(4)!.readUInt32LE(0), 1500);
    assert.equal(textOf(decodeAttributes(found.get(18)!).get(1)), "veth");
  });

  it("messages of one datagram are numbered and read back", () => {
    const messages = [{ type: 16, flags: flagAck, body: Buffer.from([1, 2, 3]) }, { type: 20, flags: 0, body: Buffer.alloc(8) }];
    const found = decodeMessages(encodeMessages(messages, 41));
    assert.deepEqual(found.map(({ type, sequence }) => [type, sequence]), [[16, 41], [20, 42]]);
    assert.deepEqual([...found[0]!.body], [1, 2, 3]);
  });

  it("a message that claims more than there is ends the datagram, and an attribute its list", () => {
    const bytes = encodeMessages([{ type: 16, flags: 0, body: Buffer.alloc(4) }], 1);
    bytes.writeUInt32LE(4000, 0);
    assert.deepEqual(decodeMessages(bytes), []);
    const list = attribute(1, Buffer.alloc(4));
    list.writeUInt16LE(2, 0);
    assert.equal(decodeAttributes(list).size, 0);
  });

  it("addresses of both families", () => {
    assert.deepEqual([...addressBytes("172.18.0.2")], [172, 18, 0, 2]);
    assert.equal(addressBytes("fd00:1::2").toString("hex"), "fd000001000000000000000000000002");
    assert.equal(addressBytes("::").toString("hex"), "0".repeat(32));
    assert.equal(addressBytes("::ffff:10.0.0.1").toString("hex"), "00000000000000000000ffff0a000001");
    const found = decodeAttributes(addAddress(7, "10.0.0.5/22").body.subarray(8));
    assert.deepEqual([...found.get(4)!], [10, 0, 3, 255]);
    assert.equal(addAddress(7, "fd00::5/64").body[2], 2);
  });

  it("a veth names its other end and the namespace of it", () => {
    const { body } = addVeth("host", { name: "eth0", netnsFd: 9, mac: "02:42:0a:00:00:05" });
    const info = decodeAttributes(decodeAttributes(body.subarray(16)).get(18)!);
    assert.equal(textOf(info.get(1)), "veth");
    const peer = decodeAttributes(decodeAttributes(info.get(2)!).get(1)!.subarray(16));
    assert.deepEqual([textOf(peer.get(3)), peer.get(28)!.readUInt32LE(0), peer.get(1)!.toString("hex")], ["eth0", 9, "02420a000005"]);
  });

  it("what is not a link or a route is skipped", () => {
    assert.equal(linkOf({ type: 2, flags: 0, sequence: 1, body: Buffer.alloc(16) }), undefined);
    assert.equal(routeOf({ type: 24, flags: 0, sequence: 1, body: Buffer.alloc(4) }), undefined);
  });

  it("rules of a new namespace delete nothing, and none are no batch", () => {
    const types = (messages: readonly { type: number }[]) => messages.map(({ type }) => type.toString(16));
    assert.deepEqual(types(resolverRules("t", "10.0.0.1", true)), ["10", "a00", "a03", "a03", "a06", "a06", "a06", "11"]);
    assert.deepEqual(types(resolverRules("t", undefined, false)), ["10", "a00", "a02", "11"]);
    assert.deepEqual(resolverRules("t", undefined, true), []);
  });

  it("only connections over UDP to the ports are forgotten", () => {
    const tracked = (protocol: number, port: number) => ({ type: 256, flags: 0, sequence: 1, body: Buffer.concat([Buffer.from([2, 0, 0, 0]), nested(1, [nested(2, [attribute(1, Buffer.from([protocol])), attribute(3, Buffer.from([port >> 8, port & 255]))])])]) });
    assert.equal(forgetting(tracked(17, 53), new Set([53]))!.type, 258);
    assert.equal(forgetting(tracked(6, 53), new Set([53])), undefined);
    assert.equal(forgetting(tracked(17, 54), new Set([53])), undefined);
    assert.equal(forgetting({ type: 256, flags: 0, sequence: 1, body: Buffer.alloc(4) }, new Set([53])), undefined);
  });

  it("elements of one map travel together, removals first", () => {
    const messages = changeElements("inet", "t", [inetPort("a", undefined)], [inetPort("a", undefined), inetPort("b", "127.0.0.1"), inetPort("a", undefined)]);
    assert.deepEqual(messages.map(({ type }) => type.toString(16)), ["10", "a0e", "a0c", "a0c", "11"]);
    assert.deepEqual(changeElements("inet", "t", [], []), []);
  });
});
