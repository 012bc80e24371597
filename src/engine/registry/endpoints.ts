import type { RegistryConfig } from "../config.js";

/** One address that serves a repository. */
export interface Endpoint {
  readonly base: string;           // https://registry-1.docker.io
  readonly host: string;           // as people know it: "docker.io", "127.0.0.1:5000"
  readonly isMirror: boolean;
  readonly credentials: Credentials | undefined;
}
export interface Credentials { readonly username: string; readonly password: string }

/** Mirrors first, then the registry itself. Plain HTTP only to this host (as Docker allows) and where the configuration says so. */
export function endpointsOf(host: string, registries: Readonly<Record<string, RegistryConfig>>, options: { plainHttp?: boolean; credentials?: Credentials } = {}): Endpoint[] {
  const config = registries[host] ?? {};
  const credentials = options.credentials ?? (config.username !== undefined ? { username: config.username, password: config.password ?? "" } : undefined);
  const address = host === "docker.io" ? "registry-1.docker.io" : host;
  const scheme = options.plainHttp || config.plainHttp || isLoopback(host) ? "http" : "https";
  const mirrors = (config.mirrors ?? []).map((mirror): Endpoint => {
    const [, explicit, rest = mirror] = /^(https?):\/\/(.*?)\/*$/.exec(mirror) ?? [];
    const own = registries[rest] ?? {};
    return {
      base: `${explicit ?? (own.plainHttp || isLoopback(rest) ? "http" : "https")}://${rest}`, host: rest, isMirror: true,
      credentials: own.username !== undefined ? { username: own.username, password: own.password ?? "" } : undefined,   // never the origin's
    };
  });
  return [...mirrors, { base: `${scheme}://${address}`, host, isMirror: false, credentials }];
}

export function isLoopback(host: string): boolean {
  const name = host.replace(/:\d+$/, "");
  return name === "localhost" || name === "[::1]" || /^127(\.\d{1,3}){3}$/.test(name);
}
