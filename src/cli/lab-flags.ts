import { SwarmError } from "../lib/index.js";
import type { FlagSpec } from "./command.js";

export const hostFlag: FlagSpec = { name: "host-flag", kind: "list", value: "HOST=FLAG", help: "Flag for one host's swarmd, such as w1=--gpu=A100=g0,g1 or w2=--generic-resource=fpga=2" };

/** Flags by host, in the order given; "HOST=" alone leaves the host without any of its own. */
export function parseHostFlags(texts: readonly string[]): Record<string, string[]> {
  const flags: Record<string, string[]> = {};
  for (const text of texts) {
    const at = text.indexOf("=");
    const flag = text.slice(at + 1);
    if (at <= 0 || flag !== "" && !flag.startsWith("-")) throw new SwarmError("INVALID_ARGUMENT", `Cannot read "${text}" of --host-flag: write HOST=FLAG, such as w1=--gpu=A100=g0,g1`);
    const own = flags[text.slice(0, at)] ??= [];
    if (flag !== "") own.push(flag);
  }
  return flags;
}
