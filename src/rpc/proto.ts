import { fileURLToPath } from "node:url";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fromJSON, type PackageDefinition } from "@grpc/proto-loader";
import protobuf from "protobufjs";
import { loadPackageDefinition, type ServiceDefinition, type GrpcObject } from "@grpc/grpc-js";
import { packageRoot } from "./package-root.js";

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

/** Encodes and decodes one message type, to and from the plain objects that gRPC handlers see. */
export interface Codec<T> {
  encode(message: object): Uint8Array;
  decode(bytes: Uint8Array): T;
  /** Fills every field that is left out with its default. */
  normalize(partial: object): T;
}

/** `name` is a message of swarm.v1: codec<StoreTransaction>("StoreTransaction"). */
export function codec<T>(name: string): Codec<T> {
  const type = load().root.lookupType(`swarm.v1.${name}`);
  const decode = (bytes: Uint8Array) => type.toObject(type.decode(bytes), conversion) as T;
  return {
    encode: (message) => type.encode(type.fromObject(message)).finish(),
    decode,
    normalize: (partial) => type.toObject(type.fromObject(partial), conversion) as T,
  };
}
