import { isIPv6 } from "node:net";
import { attribute, byte, decodeAttributes, flagAck, flagCreate, flagExcl, flagReplace, nested, text, textOf, uint16, uint32, type Message, type Received } from "./message.js";

/** rtnetlink: links, addresses, routes and neighbours as messages (linux/rtnetlink.h, if_link.h). Pure. */
const newLink = 16, delLink = 17, getLink = 18, newAddress = 20, newRoute = 24, delRoute = 25, getRoute = 26, newNeighbour = 28;
const iflaAddress = 1, iflaName = 3, iflaMtu = 4, iflaLink = 5, iflaMaster = 10, iflaLinkInfo = 18, iflaNetNsFd = 28, iflaAfSpec = 26;
const infoKind = 1, infoData = 2;
const up = 1;

/** A link by index, or by name where index is 0. */
export interface LinkRef { readonly index?: number; readonly name?: string }
const body = (size: number, fill: (bytes: Buffer) => void): Buffer => { const bytes = Buffer.alloc(size); fill(bytes); return bytes; };
const linkBody = (index: number, flags: number, mask: number): Buffer =>
  body(16, (b) => { b.writeInt32LE(index, 4); b.writeUInt32LE(flags, 8); b.writeUInt32LE(mask, 12); });
const named = (link: LinkRef): Buffer[] => (link.index === undefined && link.name !== undefined ? [text(iflaName, link.name)] : []);
const macBytes = (mac: string): Buffer => Buffer.from(mac.split(":").map((part) => parseInt(part, 16)));
const message = (type: number, flags: number, parts: readonly Buffer[]): Message => ({ type, flags: flags | flagAck, body: Buffer.concat(parts) });

/** No link-local IPv6 address is made when it comes up (IN6_ADDR_GEN_MODE_NONE). */
const withoutLinkLocal = nested(iflaAfSpec, [nested(10, [byte(8, 1)])]);

export interface LinkFields { readonly mtu?: number; readonly mac?: string; readonly newName?: string; readonly isUp?: boolean; readonly masterIndex?: number; readonly netnsFd?: number; readonly hasLinkLocal?: boolean }

export function changeLink(link: LinkRef, fields: LinkFields): Message {
  const isUp = fields.isUp === undefined ? [0, 0] as const : [fields.isUp ? up : 0, up] as const;
  return message(newLink, 0, [
    linkBody(link.index ?? 0, isUp[0], isUp[1]), ...named(link),
    ...(fields.newName !== undefined ? [text(iflaName, fields.newName)] : []), ...(fields.mtu ? [uint32(iflaMtu, fields.mtu)] : []),
    ...(fields.mac ? [attribute(iflaAddress, macBytes(fields.mac))] : []), ...(fields.masterIndex !== undefined ? [uint32(iflaMaster, fields.masterIndex)] : []),
    ...(fields.netnsFd !== undefined ? [uint32(iflaNetNsFd, fields.netnsFd)] : []), ...(fields.hasLinkLocal === false ? [withoutLinkLocal] : []),
  ]);
}

/** The peer's IFF_UP cannot be set here: the kernel would bring it up before its other end is there (ENOTCONN). */
export function addVeth(name: string, peer: { name: string; netnsFd: number; mac?: string; mtu?: number }, fields: { mtu?: number } = {}): Message {
  const peerInfo = Buffer.concat([
    linkBody(0, 0, 0), text(iflaName, peer.name), uint32(iflaNetNsFd, peer.netnsFd), ...(peer.mac ? [attribute(iflaAddress, macBytes(peer.mac))] : []), ...(peer.mtu ? [uint32(iflaMtu, peer.mtu)] : []),
  ]);
  return message(newLink, flagCreate | flagExcl, [
    linkBody(0, 0, 0), text(iflaName, name), ...(fields.mtu ? [uint32(iflaMtu, fields.mtu)] : []),
    nested(iflaLinkInfo, [text(infoKind, "veth"), nested(infoData, [attribute(1, peerInfo)])]),
  ]);
}

export const addBridge = (name: string, mac: string): Message => message(newLink, flagCreate | flagExcl, [
  linkBody(0, 0, 0), text(iflaName, name), attribute(iflaAddress, macBytes(mac)), nested(iflaLinkInfo, [text(infoKind, "bridge")]),
]);

const macvlanModes = { private: 1, vepa: 2, bridge: 4, passthru: 8 } as const;
export type MacvlanMode = keyof typeof macvlanModes;
export const addMacvlan = (name: string, parentIndex: number, mode: MacvlanMode, peer: { netnsFd?: number; mac?: string }): Message => message(newLink, flagCreate | flagExcl, [
  linkBody(0, 0, 0), text(iflaName, name), uint32(iflaLink, parentIndex), ...(peer.mac ? [attribute(iflaAddress, macBytes(peer.mac))] : []),
  ...(peer.netnsFd !== undefined ? [uint32(iflaNetNsFd, peer.netnsFd)] : []), nested(iflaLinkInfo, [text(infoKind, "macvlan"), nested(infoData, [uint32(1, macvlanModes[mode])])]),
]);

export const addVlan = (name: string, parentIndex: number, id: number): Message => message(newLink, flagCreate | flagExcl, [
  linkBody(0, 0, 0), text(iflaName, name), uint32(iflaLink, parentIndex), nested(iflaLinkInfo, [text(infoKind, "vlan"), nested(infoData, [uint16(1, id)])]),
]);

export const deleteLink = (link: LinkRef): Message => message(delLink, 0, [linkBody(link.index ?? 0, 0, 0), ...named(link)]);

/** A bridge's port: hairpin lets a frame go back out where it came in; isolated ports reach only the bridge itself and ports that are not. */
export const changeBridgePort = (index: number, port: { isHairpin: boolean; isIsolated: boolean; isFlooded: boolean }): Message => message(newLink, 0, [
  linkBody(index, 0, 0), nested(iflaLinkInfo, [text(4, "bridge"), nested(5, [byte(4, port.isHairpin ? 1 : 0), byte(9, port.isFlooded ? 1 : 0), byte(33, port.isIsolated ? 1 : 0)])]),
]);

/** A bridge's port has this address behind it for good: `bridge fdb replace … master static` (AF_BRIDGE, NUD_NOARP and NUD_REACHABLE, NTF_MASTER). */
export const addForwarding = (index: number, mac: string): Message => message(newNeighbour, flagCreate | flagReplace, [
  body(12, (b) => { b[0] = 7; b.writeInt32LE(index, 4); b.writeUInt16LE(0x42, 8); b[10] = 0x04; }), attribute(2, macBytes(mac)),
]);

export const addressBytes = (address: string): Buffer => (isIPv6(address) ? ipv6Bytes(address) : Buffer.from(address.split(".").map(Number)));
const familyOf = (address: string): number => (isIPv6(address) ? 10 : 2);

/** "10.0.0.2/24" or "fd00::2/64"; IPv6 without duplicate address detection, which would keep it unusable for a second. */
export function addAddress(index: number, withPrefix: string): Message {
  const [address, prefix] = withPrefix.split("/") as [string, string];
  const bytes = addressBytes(address);
  const isV6 = bytes.length === 16;
  const broadcast = isV6 || Number(prefix) > 30 ? [] : [attribute(4, bytes.map((b, i) => b | (0xff & ~maskByte(Number(prefix), i))) as Buffer)];
  return message(newAddress, flagCreate | flagReplace, [
    body(8, (b) => { b[0] = familyOf(address); b[1] = Number(prefix); b[2] = isV6 ? 0x02 : 0; b.writeInt32LE(index, 4); }),   // IFA_F_NODAD
    attribute(2, bytes), attribute(1, bytes), ...broadcast,
  ]);
}

export const addDefaultRoute = (via: string, index: number): Message => defaultRoute(newRoute, flagCreate | flagReplace, via, index);
export const deleteDefaultRoute = (family: 4 | 6): Message => message(delRoute, 0, [body(12, (b) => { b[0] = family === 6 ? 10 : 2; b[4] = 254; b[6] = 255; })]);

function defaultRoute(type: number, flags: number, via: string, index: number): Message {
  return message(type, flags, [
    body(12, (b) => { b[0] = familyOf(via); b[4] = 254; b[5] = 3; b[7] = 1; }),   // main table, boot protocol, unicast
    attribute(5, addressBytes(via)), uint32(4, index),
  ]);
}

export interface LinkRow { readonly index: number; readonly name: string; readonly kind: string; readonly mac: string; readonly mtu: number; readonly isUp: boolean; readonly masterIndex: number }

export const linkQuestion = { type: getLink, body: linkBody(0, 0, 0) } as const;
export const oneLink = (name: string): Message => ({ type: getLink, flags: 0, body: Buffer.concat([linkBody(0, 0, 0), text(iflaName, name)]) });

export function linkOf(received: Received): LinkRow | undefined {
  if (received.type !== newLink || received.body.length < 16) return undefined;
  const found = decodeAttributes(received.body.subarray(16));
  const info = found.get(iflaLinkInfo);
  return {
    index: received.body.readInt32LE(4), name: textOf(found.get(iflaName)), kind: info ? textOf(decodeAttributes(info).get(infoKind)) : "",
    mac: [...(found.get(iflaAddress) ?? [])].map((b) => b.toString(16).padStart(2, "0")).join(":"), mtu: found.get(iflaMtu)?.readUInt32LE(0) ?? 0,
    isUp: (received.body.readUInt32LE(8) & up) !== 0, masterIndex: found.get(iflaMaster)?.readUInt32LE(0) ?? 0,
  };
}

export interface RouteRow { readonly destination: string; readonly deviceIndex: number }
export const routeQuestion = (family: 4 | 6) => ({ type: getRoute, body: body(12, (b) => { b[0] = family === 6 ? 10 : 2; }) }) as const;

/** Routes of the main table; "0.0.0.0/0" and "::/0" are the default ones. */
export function routeOf(received: Received): RouteRow | undefined {
  if (received.type !== newRoute || received.body.length < 12 || received.body[4] !== 254) return undefined;
  const isV6 = received.body[0] === 10;
  const found = decodeAttributes(received.body.subarray(12));
  const destination = found.get(1) ?? Buffer.alloc(isV6 ? 16 : 4);
  return { destination: `${formatAddress(destination)}/${received.body[1]}`, deviceIndex: found.get(4)?.readUInt32LE(0) ?? 0 };
}

const maskByte = (prefix: number, index: number): number => { const bits = Math.min(8, Math.max(0, prefix - index * 8)); return (0xff << (8 - bits)) & 0xff; };

function ipv6Bytes(text: string): Buffer {
  const [head, tail] = text.split("::") as [string, string | undefined];
  const groups = (part: string): number[] => part.split(":").filter(Boolean).flatMap((group) => {
    if (!group.includes(".")) return [parseInt(group, 16)];
    const [a, b, c, d] = group.split(".").map(Number) as [number, number, number, number];
    return [(a << 8) | b, (c << 8) | d];
  });
  const first = groups(head);
  const last = tail === undefined ? [] : groups(tail);
  const all = [...first, ...Array<number>(8 - first.length - last.length).fill(0), ...last];
  const bytes = Buffer.alloc(16);
  all.forEach((group, index) => bytes.writeUInt16BE(group, index * 2));
  return bytes;
}

const formatAddress = (bytes: Buffer): string => (bytes.length === 4 ? [...bytes].join(".") : Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16)).join(":"));
