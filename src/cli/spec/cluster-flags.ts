import type { ClusterSpec } from "../../model/index.js";
import type { FlagSpec } from "../command.js";
import type { Flags } from "../flags.js";
import { parseDuration } from "../parse/duration.js";
import { choose } from "../parse/key-value.js";
import { parseCount } from "../parse/number.js";
import { SwarmError } from "../../lib/index.js";

const group = "Cluster settings";
export const clusterFlags: readonly FlagSpec[] = [
  { name: "heartbeat", kind: "text", value: "DURATION", group, help: "Agents' heartbeat; a node is down after three missed (default 5s)" },
  { name: "task-history", kind: "text", value: "N", group, help: "Ended tasks kept for each slot (default 5)" },
  { name: "placement-strategy", kind: "text", value: "STRATEGY", group, help: "pack (the default) or spread, for services that name none" },
  { name: "address-pool", kind: "list", value: "CIDR", group, help: "Where networks' subnets come from (default 10.0.0.0/8)" },
  { name: "subnet-prefix", kind: "text", value: "N", group, help: "Prefix length of a network's subnet (default 24)" },
  { name: "data-port", kind: "text", value: "PORT", group, help: "UDP port of the overlay (default 4789)" },
  { name: "certificate-validity", kind: "text", value: "DURATION", group, help: "How long a node's certificate is good for (default 90d)" },
];

/** The settings that were given; the rest stay unset, which means their defaults, or stay as `before` has them. */
export function clusterSpecOf(flags: Flags, before: Partial<ClusterSpec> = {}): Partial<ClusterSpec> {
  const spec = { ...before };
  const set = <Key extends keyof ClusterSpec>(flag: string, key: Key, parse: (text: string, flag: string) => ClusterSpec[Key]) => {
    if (flags.declares(flag) && flags.has(flag)) spec[key] = parse(flags.text(flag)!, `--${flag}`);
  };
  set("heartbeat", "heartbeatMs", (text, flag) => {
    const ms = parseDuration(text, flag);
    if (ms < 100) throw new SwarmError("INVALID_ARGUMENT", `The heartbeat "${text}" is too short: write 100ms or more.`);
    return ms;
  });
  set("task-history", "taskHistory", (text, flag) => parseCount(text, flag));
  set("placement-strategy", "placementStrategy", (text, flag) => choose(text, flag, { pack: "PACK", spread: "SPREAD" } as const));
  set("address-pool", "addressPools", () => flags.list("address-pool"));
  set("subnet-prefix", "subnetPrefix", (text, flag) => parseCount(text, flag, { min: 8, max: 29 }));
  set("data-port", "dataPort", (text, flag) => parseCount(text, flag, { min: 1, max: 65_535 }));
  set("certificate-validity", "certificateValidityMs", parseDuration);
  return spec;
}
