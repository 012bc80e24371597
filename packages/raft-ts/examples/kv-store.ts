/**
 * A replicated key-value store over HTTP: strings under names, linearizable, on as many processes as one likes.
 *
 * It runs from a package of "type": "module" (npm init -y; npm pkg set type=module; npm install raft-ts @grpc/grpc-js tsx), as it is by tsx, or compiled by tsc and then by node.
 * First an authority, and for each member, 1 here, a certificate whose common name is its id ID and whose DNS name is raft-ID:
 *
 *   openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -subj /CN=ca -days 365 -out ca.pem
 *   openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout 1.key -subj /CN=1 -out 1.csr
 *   printf 'subjectAltName=DNS:raft-1\nextendedKeyUsage=serverAuth,clientAuth\n' > 1.ext
 *   openssl x509 -req -in 1.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 365 -extfile 1.ext -out 1.pem
 *
 *   npx tsx kv-store.ts --raft 127.0.0.1:7001 --http 127.0.0.1:8001 --data ./m1 --ca ca.pem --certificate 1.pem --key 1.key --first
 *   npx tsx kv-store.ts --raft 127.0.0.1:7002 --http 127.0.0.1:8002 --data ./m2 --ca ca.pem --certificate 2.pem --key 2.key --join 127.0.0.1:8001
 *
 *   curl -X PUT -d blue http://127.0.0.1:8001/keys/colour      any member: one that does not lead sends the client to the leader
 *   curl http://127.0.0.1:8002/keys/colour                     any member: as new as the newest acknowledged write
 *   curl -X DELETE http://127.0.0.1:8001/keys/colour
 *   curl http://127.0.0.1:8001/status
 *
 * A raft id is a positive integer that is never used again after its member was removed. Raft's traffic is mutual TLS; the HTTP side is open to whoever reaches its address, and any client of it can add members: keep it on loopback.
 */
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { X509Certificate } from "node:crypto";
import { parseArgs } from "node:util";
import * as grpc from "@grpc/grpc-js";
import { GrpcTransport, RaftNode, type IncomingCall, type Raft, type RaftStatus, type StateMachine } from "raft-ts";

const text = { type: "string" } as const;
const { values: flags } = parseArgs({ options: { raft: text, http: text, data: text, ca: text, certificate: text, key: text, first: { type: "boolean" }, join: text } });

function required(name: "raft" | "http" | "data" | "ca" | "certificate" | "key"): string {
  const value = flags[name];
  if (value === undefined) { console.error(`Cannot start: --${name} is missing`); process.exit(2); }
  return value;
}

// ---- the state machine: what raft keeps the same on all members ----

type Command = { readonly put: string; readonly value: string } | { readonly delete: string };

class Store implements StateMachine {
  values = new Map<string, string>();

  apply(entries: readonly { data: Uint8Array }[]): void {
    for (const { data } of entries) {
      const command = JSON.parse(Buffer.from(data).toString()) as Command;
      if ("put" in command) this.values.set(command.put, command.value); else this.values.delete(command.delete);
    }
  }

  async *snapshot(): AsyncGenerator<Uint8Array> {
    // Copied before the first chunk is asked for again: entries may be applied while the snapshot is being written.
    const pairs = [...this.values];
    for (let at = 0; at < pairs.length; at += 1_000) yield Buffer.from(JSON.stringify(pairs.slice(at, at + 1_000)));
  }

  async restore(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const values = new Map<string, string>();
    for await (const chunk of chunks) for (const [key, value] of JSON.parse(Buffer.from(chunk).toString()) as [string, string][]) values.set(key, value);
    this.values = values;
  }
}

// ---- raft, over mutual TLS ----

interface Addresses { readonly raft: string; readonly http: string }
const encodeAddresses = (addresses: Addresses): Uint8Array => Buffer.from(JSON.stringify(addresses));
const addressesOf = (context: Uint8Array): Addresses => JSON.parse(Buffer.from(context).toString()) as Addresses;
const idIn = (certificate: X509Certificate): number => Number(/^CN=(\d+)$/m.exec(certificate.subject)?.[1]);

/** Who calls, by the certificate that TLS has verified. */
function callerOf(call: IncomingCall): number | undefined {
  const raw = (call as unknown as { getAuthContext(): { sslPeerCertificate?: { raw: Buffer } } }).getAuthContext().sslPeerCertificate?.raw;
  return raw && (idIn(new X509Certificate(raw)) || undefined);
}

async function openRaft(store: Store, own: Addresses): Promise<Raft> {
  const ca = readFileSync(required("ca")), certificate = readFileSync(required("certificate")), key = readFileSync(required("key"));
  const id = idIn(new X509Certificate(certificate));
  const credentials = grpc.credentials.createSsl(ca, key, certificate);
  const transport = new GrpcTransport({
    self: id, identify: callerOf,
    // The name that the other side must prove. Without it that is the host of the address, which Node warns of when it is a number (DEP0123), and any member could answer for another.
    dial: (member) => ({ address: addressesOf(member.context).raft, credentials, channelOptions: { "grpc.ssl_target_name_override": `raft-${member.id}` } }),
  });
  const server = new grpc.Server();
  server.addService(transport.service, transport.handlers);
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(own.raft, grpc.ServerCredentials.createSsl(ca, [{ cert_chain: certificate, private_key: key }], true), (error) => { if (error) reject(error); else resolve(); });
  });
  const start = flags.first ? { kind: "bootstrap" as const, context: encodeAddresses(own) } : { kind: "join" as const };
  return RaftNode.open({ id, directory: required("data"), stateMachine: store, transport, start, log: (level, message) => { if (level !== "debug") console.error(`${level}: ${message}`); } });
}

// ---- HTTP ----

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of request.setEncoding("utf8")) if ((body += chunk).length > 1 << 20) throw new RangeError("A value holds at most 1 MiB");
  return body;
}

function reply(response: ServerResponse, code: number, body = "", headers = {}): void { response.writeHead(code, headers).end(body && `${body}\n`); }

/** To where writes are taken; 503 while nobody leads. */
function sendToLeader({ members, leader }: RaftStatus, path: string, response: ServerResponse): void {
  const member = members.find(({ id }) => id === leader);
  if (member) reply(response, 307, "", { location: `http://${addressesOf(member.context).http}${path}` });
  else reply(response, 503, "Nobody leads at the moment: try again");
}

async function serve(raft: Raft, store: Store, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = request.url ?? "/", key = /^\/keys\/([^/?]+)$/.exec(path)?.[1], call = `${request.method} ${key === undefined ? path : "/keys/KEY"}`;
  const status = raft.status();
  if (call === "GET /status") return reply(response, 200, JSON.stringify(status, (name, value: unknown) => (name === "context" ? addressesOf(value as Uint8Array) : value)));
  if (call === "GET /keys/KEY") {
    // Nothing older than what was acknowledged before this request came.
    await raft.waitApplied(await raft.readIndex());
    const value = store.values.get(key!);
    return value === undefined ? reply(response, 404, "There is no such key") : reply(response, 200, value);
  }
  if (!["PUT /keys/KEY", "DELETE /keys/KEY", "POST /members"].includes(call)) return reply(response, 404, "There are GET, PUT and DELETE of /keys/KEY, GET of /status");
  if (status.role !== "leader") return sendToLeader(status, path, response);
  const body = await bodyOf(request);
  if (call === "POST /members") {
    const { id, addresses } = JSON.parse(body) as { id: number; addresses: Addresses };
    await raft.addMember({ id, context: encodeAddresses(addresses) });
  } else {
    const command: Command = request.method === "PUT" ? { put: key!, value: body } : { delete: key! };
    await raft.propose(Buffer.from(JSON.stringify(command)));
  }
  reply(response, 200);
}

const own: Addresses = { raft: required("raft"), http: required("http") };
const store = new Store();
const raft = await openRaft(store, own);
const [host, port] = own.http.split(":");
const server = createServer((request, response) => { serve(raft, store, request, response).catch((error: Error) => { reply(response, 500, error.message); }); });
await new Promise<void>((resolve) => { server.listen(Number(port), host, resolve); });
if (flags.join !== undefined && raft.status().members.length === 0) {
  // fetch follows the way to the leader by itself.
  const answer = await fetch(`http://${flags.join}/members`, { method: "POST", body: JSON.stringify({ id: raft.id, addresses: own }) });
  if (!answer.ok) { console.error(`Cannot join at ${flags.join}: ${(await answer.text()).trim()}`); process.exit(1); }
}
console.log(`Member ${raft.id} serves http://${own.http}`);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => { void raft.close().then(() => process.exit(0)); });
