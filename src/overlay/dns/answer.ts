import dnsPacket, { type Answer, type DecodedPacket, type Packet, type Question } from "dns-packet";
import type { DnsClient, DnsTable } from "../core/dns-table.js";

// Short, because tasks come and go; not 0, which some resolvers treat as "never cache, ask for each connection".
const ttlSeconds = 2;

export type Decision =
  | { readonly kind: "reply"; readonly bytes: Buffer }
  | { readonly kind: "forward" }
  | { readonly kind: "drop" };

export interface AskOptions {
  readonly table: DnsTable;
  readonly client: DnsClient | undefined;
  /** Order of several addresses: clients take the first. */
  readonly shuffle: <T>(items: readonly T[]) => T[];
  /** Largest reply in bytes; a longer one is cut and marked, so that the client asks again over TCP. */
  readonly limit: number;
}

/** What to do with one query. Names of this cluster are answered here, also those of types that we have no records of. */
export function decide(query: Buffer, { table, client, shuffle, limit }: AskOptions): Decision {
  let packet: DecodedPacket;
  try { packet = dnsPacket.decode(query); } catch { return { kind: "drop" }; }
  if (packet.type !== "query") return { kind: "drop" };
  const question = packet.questions?.[0];
  if (packet.questions?.length !== 1 || !question) return reply(packet, rcodes.formatError, [], limit);
  // Somebody who is on no bridge of ours has got hold of the address: nothing here is theirs to know.
  if (!client) return reply(packet, rcodes.refused, [], limit);

  if (question.type === "PTR") {
    const addr = addressOfReverse(question.name);
    const name = addr === undefined ? undefined : table.nameOf(client, addr);
    if (name !== undefined) return reply(packet, rcodes.ok, [{ ...header(question), type: "PTR", data: name }], limit);
  } else {
    const addresses = table.addressesOf(client, question.name);
    if (addresses) {
      const isAsked = (type: "A" | "AAAA") => question.type === type || (question.type as string) === "ANY";
      const answers = shuffle(addresses).map((addr): Answer => ({ ...header(question), type: addr.includes(":") ? "AAAA" : "A", data: addr })).filter(({ type }) => isAsked(type as "A" | "AAAA"));
      return reply(packet, rcodes.ok, answers, limit);
    }
    // `tasks.` of a service that is not here is ours to deny, quickly: no server outside knows better.
    if (/^tasks\.[^.]+\.?$/i.test(question.name)) return reply(packet, rcodes.noSuchName, [], limit);
  }
  if (!client.hasWayOut) return reply(packet, rcodes.noSuchName, [], limit);
  return { kind: "forward" };
}

/** The reply when no server outside answered. */
export function serverFailure(query: Buffer, limit: number): Buffer | undefined {
  try {
    const decision = reply(dnsPacket.decode(query), rcodes.serverFailure, [], limit);
    return decision.kind === "reply" ? decision.bytes : undefined;
  } catch { return undefined; }
}

/** 512 bytes without EDNS (RFC 1035 §4.2.1), else what the client offers, up to a size that needs no fragments. */
export function udpLimitOf(query: Buffer): number {
  try {
    const edns = dnsPacket.decode(query).additionals?.find((record) => record.type === "OPT");
    const offered = edns && "udpPayloadSize" in edns ? Number(edns.udpPayloadSize) : 512;
    return Math.min(Math.max(512, offered), 1232);
  } catch { return 512; }
}

const rcodes = { ok: 0, formatError: 1, serverFailure: 2, noSuchName: 3, refused: 5 } as const;

function reply(packet: DecodedPacket, rcode: number, answers: readonly Answer[], limit: number): Decision {
  const isDesired = packet.flag_rd ? dnsPacket.RECURSION_DESIRED : 0;
  const flags = isDesired | dnsPacket.RECURSION_AVAILABLE | (rcode === rcodes.ok ? dnsPacket.AUTHORITATIVE_ANSWER : 0) | rcode;
  const base: Packet = { type: "response", id: packet.id ?? 0, flags, questions: packet.questions ?? [] };
  const whole = dnsPacket.encode({ ...base, answers: [...answers] });
  if (whole.length <= limit) return { kind: "reply", bytes: whole };
  const baseBytes = dnsPacket.encode(base).length;
  const room = answers.length === 0 ? 0 : Math.max(0, Math.floor((limit - baseBytes) / ((whole.length - baseBytes) / answers.length)));
  return { kind: "reply", bytes: dnsPacket.encode({ ...base, flags: flags | dnsPacket.TRUNCATED_RESPONSE, answers: answers.slice(0, room) }) };
}

const header = (question: Question) => ({ name: question.name, ttl: ttlSeconds, class: "IN" as const });

function addressOfReverse(name: string): string | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa\.?$/i.exec(name);
  return match ? `${match[4]}.${match[3]}.${match[2]}.${match[1]}` : undefined;
}
