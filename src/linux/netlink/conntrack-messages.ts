import { attribute, decodeAttributes, flagAck, type Message, type Received } from "./message.js";

/** Tracked connections over ctnetlink (linux/netfilter/nfnetlink_conntrack.h), as far as forgetting some needs it. Pure. */
const subsystem = 1, get = 1, remove = 2;
const header = (family: number): Buffer => Buffer.from([family, 0, 0, 0]);
const tupleOriginal = 1, tupleProtocol = 2, protocolNumber = 1, destinationPort = 3;
const udp = 17;

export const trackedQuestion = { type: (subsystem << 8) | get, body: header(0) } as const;

/** How to forget a dumped connection when it is one over UDP to one of these ports of the host; undefined otherwise. */
export function forgetting(received: Received, ports: ReadonlySet<number>): Message | undefined {
  const original = decodeAttributes(received.body.subarray(4)).get(tupleOriginal);
  const protocol = original && decodeAttributes(original).get(tupleProtocol);
  if (!original || !protocol) return undefined;
  const fields = decodeAttributes(protocol);
  const port = fields.get(destinationPort);
  if (fields.get(protocolNumber)?.[0] !== udp || !port || port.length < 2 || !ports.has(port.readUInt16BE(0))) return undefined;
  return { type: (subsystem << 8) | remove, flags: flagAck, body: Buffer.concat([header(received.body[0]!), attribute(tupleOriginal | 0x8000, original)]) };
}
