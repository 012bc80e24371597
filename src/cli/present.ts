import { SwarmError } from "../lib/index.js";

/** An answer's object, which the API always fills in. */
export function present<T>(object: T | null | undefined, what: string): T {
  if (object === null || object === undefined) throw new SwarmError("INTERNAL", `The manager's answer holds no ${what}: it may run another version; compare with "swarmctl version".`);
  return object;
}
