import { fileURLToPath } from "node:url";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fromJSON, type PackageDefinition } from "@grpc/proto-loader";
import protobuf from "protobufjs";
import { loadPackageDefinition, type ServiceDefinition, type GrpcObject } from "@grpc/grpc-js";
import { messageCodec, type MessageCodec } from "./message-codec.js";
import { packageRoot } from "./package-root.js";
import { WireReader, WireWriter } from "./wire.js";

const conversion = { longs: Number, enums: String, defaults: true, arrays: true, objects: true, oneofs: true } as const;

let loaded: { root: protobuf.Root; grpc: GrpcObject } | undefined;

/** Parses proto/ once, at first use: about 30 ms, so daemons do it at start. */
function load() {
  if (loaded) return loaded;
  const directory = join(packageRoot(fileURLToPath(import.meta.url)), "proto");
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => join(directory, target);
  root.loadSync(readdirSync(join(directory, "swarm/v1")).map((name) => `swarm/v1/${name}`));
  root.resolveAll();
  const definition: PackageDefinition = fromJSON(root.toJSON(), conversion);
  loaded = { root, grpc: loadPackageDefinition(definition) };
  return loaded;
}

export type ServiceName = "Control" | "Dispatcher" | "Ca" | "Managers" | "LocalNode";

/** The definition to add to a server. */
export function serviceDefinition(name: ServiceName): ServiceDefinition {
  return clientConstructor(name).service;
}

export function clientConstructor(name: ServiceName) {
  const namespace = (load().grpc["swarm"] as GrpcObject)["v1"] as GrpcObject;
  return namespace[name] as import("@grpc/grpc-js").ServiceClientConstructor;
}

/**
 * Encodes and decodes one message type, to and from the plain objects that gRPC handlers see. What it gives is canonical: whole, and frozen but for
 * the outermost `openLevels` levels (message-codec.ts).
 */
export interface Codec<T> {
  encode(message: object): Uint8Array;
  /** Of what `decode` or `normalize` gave, or of parts of it: saves making it canonical. */
  encodeCanonical(message: object): Uint8Array;
  decode(bytes: Uint8Array, openLevels?: number): T;
  /** Fills every field that is left out with its default. Parts that are those of `previous`, which is canonical, stay the same objects. */
  normalize(partial: object, previous?: object, openLevels?: number): T;
}

/** The reflection of a message of swarm.v1. */
export const messageType = (name: string): protobuf.Type => load().root.lookupType(`swarm.v1.${name}`);

/** `name` is a message of swarm.v1: codec<StoreTransaction>("StoreTransaction"). */
export function codec<T>(name: string): Codec<T> {
  const message = messageCodec(messageType(name));
  return {
    encode: (partial) => encode(message, message.canonical(partial, undefined, 0)),
    encodeCanonical: (canonical) => encode(message, canonical),
    decode: (bytes, openLevels = 0) => message.read(new WireReader(bytes), bytes.byteLength, openLevels) as T,
    normalize: (partial, previous, openLevels = 0) => message.canonical(partial, previous, openLevels) as T,
  };
}

const writer = new WireWriter();

function encode(codec: MessageCodec, message: object): Uint8Array {
  writer.clear();   // a message that could not be written left its beginning
  codec.write(writer, message);
  return writer.finish();
}
