import { SwarmError } from "../lib/index.js";
import type { ContextStore } from "./context.js";

export interface PlaceOptions {
  readonly context: string | undefined;
  readonly host: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly contexts: ContextStore;
}

/**
 * Where to call: --host, else --context, else SKEIN_HOST, else SKEIN_CONTEXT, else the current context. A host that is not a path is one of
 * the context's, by a folder's name in its run directory's path.
 */
export function placesFor({ context, host, environment, contexts }: PlaceOptions): readonly string[] {
  const chosenHost = host ?? (context === undefined ? environment["SKEIN_HOST"] || undefined : undefined);
  const chosenContext = () => contexts.get(context ?? (environment["SKEIN_CONTEXT"] || contexts.current)).sockets;
  if (chosenHost === undefined) return chosenContext();
  if (chosenHost.startsWith("/") || chosenHost.startsWith("unix:") || chosenHost.startsWith(".")) return [chosenHost];
  const places = chosenContext().filter((place) => place.split("/").includes(chosenHost));
  if (places.length === 0) {
    throw new SwarmError("NOT_FOUND", `There is no host "${chosenHost}" in the context: give a run directory such as /run/skein, or one of ${chosenContext().map((place) => `"${place}"`).join(", ")}.`);
  }
  return places;
}
