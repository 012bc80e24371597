import { SwarmError } from "../../lib/index.js";
import type { Problem } from "../../model/index.js";

/** Throws what a validation found: 'Cannot create service "web": …'. */
export function refuseProblem(action: string, problem: Problem): void {
  if (problem !== undefined) throw new SwarmError("INVALID_ARGUMENT", `${action}: ${problem}`);
}

/** An update names the version that it was made from; 0 stands for whatever is there. */
export function refuseOldVersion(action: string, given: number, present: number | undefined): void {
  if (given !== 0 && given !== present) {
    throw new SwarmError("ABORTED", `${action}: it was changed by somebody else (version ${given} was read, it is now ${present ?? 0}); read it again and repeat the change`);
  }
}
