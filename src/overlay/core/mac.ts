import { macOf } from "../../model/index.js";

/** The MAC that was decided for an address; the one that follows from the address where none, or none that is one, was. */
export const macFor = (decided: string, addr: string): string => (/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(decided) ? decided.toLowerCase() : macOf(addr));
