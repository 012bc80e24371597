import type { Credentials } from "../api/index.js";
import type { RegistryConfig } from "../config.js";

/** One address that serves a repository. */
export interface Endpoint {
  readonly base: string;           // https://registry-1.docker.io
  readonly host: string;           // as people know it: "docker.io", "127.0.0.1:5000"
  readonly isMirror: boolean;
  readonly credentials: Credentials | undefined;
  readonly caFile: string | undefined;
}

/** Mirrors first, then the registry itself. Plain HTTP only to this host (as Docker allows) and where the configuration says so. */
export function endpointsOf(host: string, registries: Readonly<Record<string, RegistryConfig>>, options: { plainHttp?: boolean; credentials?: Credentials } = {}): Endpoint[] {
  const config = registries[host] ?? {};
  const credentials = options.credentials ?? credentialsOf(config);
  const address = host === "docker.io" ? "registry-1.docker.io" : host;
  const scheme = options.plainHttp || config.plainHttp || isLoopback(host) ? "http" : "https";
  const mirrors = (config.mirrors ?? []).map((mirror): Endpoint => {
    const [, explicit, rest = mirror] = /^(https?):\/\/(.*?)\/*$/.exec(mirror) ?? [];
    const own = registries[rest] ?? {};
    return {
      base: `${explicit ?? (own.plainHttp || (isLoopback(rest) && !own.ca) ? "http" : "https")}://${rest}`, host: rest, isMirror: true,
      credentials: credentialsOf(own),   // never the origin's
      caFile: own.ca,
    };
  });
  return [...mirrors, { base: `${scheme === "http" && config.ca && !config.plainHttp && !options.plainHttp ? "https" : scheme}://${address}`, host, isMirror: false, credentials, caFile: config.ca }];
}

const credentialsOf = (config: RegistryConfig): Credentials | undefined => (config.username !== undefined ? { username: config.username, password: config.password ?? "" } : undefined);

export function isLoopback(host: string): boolean {
  const name = host.replace(/:\d+$/, "");
  return name === "localhost" || name === "[::1]" || /^127(\.\d{1,3}){3}$/.test(name);
}

/** What people and clients call a registry ("https://index.docker.io/v1/") as references write it ("docker.io"). */
export function registryHostOf(text: string): string {
  const host = text.trim().replace(/^https?:\/\//, "").replace(/\/.*$/, "");
  return ["", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"].includes(host) ? "docker.io" : host;
}
