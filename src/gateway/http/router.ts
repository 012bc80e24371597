import { HttpError } from "./status.js";
import type { Exchange } from "./exchange.js";

export interface Route {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "DELETE";
  /** "/containers/{id}/json"; "{name*}" takes slashes too, as names of images have them. */
  readonly path: string;
  readonly handle: (exchange: Exchange) => Promise<void>;
  /** It may take the connection over: attach, exec start. */
  readonly isHijack?: boolean;
}

export interface Match { readonly route: Route; readonly params: Readonly<Record<string, string>> }

/** Finds who answers a method and a path (version taken off, escapes still in). The first route that fits wins. */
export class Router {
  readonly #routes: { route: Route; pattern: RegExp }[];

  constructor(routes: readonly Route[]) {
    this.#routes = routes.map((route) => ({
      route, pattern: new RegExp(`^${route.path.replace(/\{(\w+)(\*?)\}/g, (_, name: string, star: string) => `(?<${name}>${star ? ".+" : "[^/]+"})`)}/?$`),
    }));
  }

  match(method: string, path: string): Match {
    for (const { route, pattern } of this.#routes) {
      if (route.method !== method) continue;
      const found = pattern.exec(path);
      if (found) return { route, params: Object.fromEntries(Object.entries(found.groups ?? {}).map(([name, value]) => [name, decode(value)])) };
    }
    throw new HttpError(404, "page not found");
  }
}

function decode(text: string): string {
  try { return decodeURIComponent(text); } catch { throw new HttpError(400, `Cannot read the request's path: "${text}" is not a valid escape`); }
}
