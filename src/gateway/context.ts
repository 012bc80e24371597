import { SwarmError, codeOf, type Clock, type Logger } from "../lib/index.js";
import type { ContainerDetails, Engine, Image } from "../engine/index.js";
import type { HostFacts } from "./host-facts.js";

/** What every route works with. */
export interface GatewayContext {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Logger;
  readonly version: string;
  readonly isDebug: boolean;
  readonly host: HostFacts;
}

/** The container that a path names; Docker's clients look for "No such container". */
export async function findContainer({ engine }: GatewayContext, name: string): Promise<ContainerDetails> {
  const bare = name.replace(/^\/+/, "");
  try { return await engine.find(bare); } catch (error) {
    throw codeOf(error) === "NOT_FOUND" ? new SwarmError("NOT_FOUND", `No such container: ${bare}`, { cause: error }) : error;
  }
}

/** Docker's clients pull when they read "No such image". */
export const noSuchImage = (name: string): SwarmError => new SwarmError("NOT_FOUND", `No such image: ${name.includes(":") || name.includes("@") ? name : `${name}:latest`}`);

export async function findImage({ engine }: GatewayContext, name: string): Promise<Image> {
  const image = await engine.images.get(name);
  if (!image) throw noSuchImage(name);
  return image;
}
