import { attribute, flagAck, flagAppend, flagCreate, nested, text, uint32be, type Message } from "./message.js";
import { addressBytes } from "./route-messages.js";

/**
 * nftables over nfnetlink (linux/netfilter/nf_tables.h), as far as it is needed often: the rules of a container's own namespace, and elements of maps
 * that the `nft` program has declared. A batch is one transaction. Pure.
 */
const subsystem = 10;
const familyIp = 2, familyInet = 1;
const newTable = 0, delTable = 2, newChain = 3, newRule = 6, newElement = 12, delElement = 14;
export type NftFamily = "ip" | "inet";

const header = (family: number, resource = 0): Buffer => { const bytes = Buffer.from([family, 0, 0, 0]); bytes.writeUInt16BE(resource, 2); return bytes; };
const message = (type: number, family: number, flags: number, parts: readonly Buffer[]): Message =>
  ({ type: (subsystem << 8) | type, flags: flags | flagAck, body: Buffer.concat([header(family), ...parts]) });

/** All or nothing. */
const batchOf = (messages: readonly Message[]): Message[] => [
  { type: 0x10, flags: 0, body: header(0, subsystem) }, ...messages, { type: 0x11, flags: 0, body: header(0, subsystem) },
];

const value = (type: number, bytes: Buffer): Buffer => nested(type, [attribute(1, bytes)]);
const expression = (name: string, parts: readonly Buffer[]): Buffer => nested(1, [text(1, name), nested(2, parts)]);
const networkHeader = 1, transportHeader = 2;
const load = (base: number, offset: number, length: number, register = 1) => expression("payload", [uint32be(1, register), uint32be(2, base), uint32be(3, offset), uint32be(4, length)]);
const equals = (bytes: Buffer, register = 1) => expression("cmp", [uint32be(1, register), uint32be(2, 0), value(3, bytes)]);
const loadProtocol = expression("meta", [uint32be(1, 1), uint32be(2, 16)]);
const immediate = (register: number, bytes: Buffer) => expression("immediate", [uint32be(1, register), value(2, bytes)]);
const dnat = (addressRegister: number, portRegister: number) => expression("nat", [uint32be(1, 1), uint32be(2, familyIp), uint32be(3, addressRegister), uint32be(5, portRegister)]);
const masquerade = expression("masq", []);
const portBytes = (port: number): Buffer => { const bytes = Buffer.alloc(2); bytes.writeUInt16BE(port); return bytes; };

const chain = (table: string, name: string, hook: number, priority: number): Message => message(newChain, familyIp, flagCreate, [
  text(1, table), text(3, name), nested(4, [uint32be(1, hook), uint32be(2, priority)]), text(7, "nat"),
]);
const rule = (table: string, chainName: string, expressions: readonly Buffer[]): Message => message(newRule, familyIp, flagCreate | flagAppend, [text(1, table), text(2, chainName), nested(4, expressions)]);

const hookOutput = 3, hookPostrouting = 4;

/**
 * Table `ip <name>` of a container's namespace: questions for 127.0.0.11 go to the bridge at `via`. Without `via` the table is removed. In a new
 * namespace there is nothing to replace, and a transaction with a deletion waits for the kernel (RCU).
 */
export function resolverRules(name: string, via: string | undefined, isNamespaceNew: boolean): Message[] {
  const table = message(newTable, familyIp, flagCreate, [text(1, name)]);
  const removal = isNamespaceNew ? [] : [table, message(delTable, familyIp, 0, [text(1, name)])];
  if (via === undefined) return removal.length === 0 ? [] : batchOf(removal);
  const gateway = addressBytes(via);
  return batchOf([
    ...removal, table, chain(name, "output", hookOutput, -100), chain(name, "postrouting", hookPostrouting, 100),
    ...[17, 6].map((protocol) => rule(name, "output", [
      load(networkHeader, 16, 4), equals(addressBytes("127.0.0.11")), loadProtocol, equals(Buffer.from([protocol])), load(transportHeader, 2, 2), equals(portBytes(53)),
      immediate(1, gateway), immediate(2, portBytes(53)), dnat(1, 2),
    ])),
    // A question to 127.0.0.11 has the source 127.0.0.1, with which it could not leave.
    rule(name, "postrouting", [load(networkHeader, 12, 1), equals(Buffer.from([127])), load(networkHeader, 16, 4), equals(gateway), masquerade]),
  ]);
}

/** The same as text for the `nft` program. */
export function resolverRulesText(name: string, via: string | undefined): string {
  return [
    `add table ip ${name}`, `delete table ip ${name}`,
    ...(via === undefined ? [] : [
      `table ip ${name} {`, "  chain output {", "    type nat hook output priority -100",
      ...["udp", "tcp"].map((protocol) => `    ip daddr 127.0.0.11 ${protocol} dport 53 dnat to ${via}:53`),
      "  }", "  chain postrouting {", "    type nat hook postrouting priority 100", `    ip saddr 127.0.0.0/8 ip daddr ${via} masquerade`, "  }", "}",
    ]), "",
  ].join("\n");
}

/** One element of a map from (address and) port to address and port; concatenated parts are padded to 4 bytes each. */
export interface PortElement { readonly map: string; readonly hostAddress: string | undefined; readonly hostPort: number; readonly address: string; readonly port: number }

export function changeElements(family: NftFamily, table: string, removed: readonly PortElement[], added: readonly PortElement[]): Message[] {
  const familyNumber = family === "ip" ? familyIp : familyInet;
  const keyOf = (element: PortElement) => Buffer.concat([...(element.hostAddress === undefined ? [] : [addressBytes(element.hostAddress)]), portBytes(element.hostPort), ...(element.hostAddress === undefined ? [] : [Buffer.alloc(2)])]);
  const dataOf = (element: PortElement) => Buffer.concat([addressBytes(element.address), portBytes(element.port), Buffer.alloc(2)]);
  const messages = (type: number, flags: number, elements: readonly PortElement[], hasData: boolean): Message[] => {
    const byMap = new Map<string, PortElement[]>();
    for (const element of elements) byMap.set(element.map, [...(byMap.get(element.map) ?? []), element]);
    return [...byMap].map(([map, list]) => message(type, familyNumber, flags, [
      text(1, table), text(2, map), nested(3, list.map((element) => nested(1, [value(1, keyOf(element)), ...(hasData ? [value(2, dataOf(element))] : [])]))),
    ]));
  };
  const all = [...messages(delElement, 0, removed, false), ...messages(newElement, flagCreate, added, true)];
  return all.length === 0 ? [] : batchOf(all);
}
