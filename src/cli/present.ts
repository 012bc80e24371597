import { SwarmError } from "../lib/index.js";

/** An answer's object, which the API always fills in. */
export function present<T>(object: T | null | undefined, what: string): T {
  if (object === null || object === undefined) throw new SwarmError("INTERNAL", `The manager's answer holds no ${what}: it may run another version; compare with "swarmctl version".`);
  return object;
}

/** A read that an action begins with: what is not there cannot be changed or removed, which is more than that it cannot be shown. */
export const readTo = <T>(verb: "change" | "remove", read: Promise<T>): Promise<T> => read.catch((error: unknown) => {
  throw error instanceof SwarmError && error.message.startsWith(cannotShow) ? new SwarmError(error.code, `Cannot ${verb}${error.message.slice(cannotShow.length)}`, { cause: error }) : error;
});

const cannotShow = "Cannot show";
