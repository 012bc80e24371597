import type { AutoRebalance, ClusterSpec, ProjectQuota } from "../../model/index.js";
import type { FlagSpec } from "../command.js";
import type { Flags } from "../flags.js";
import { parseDuration } from "../parse/duration.js";
import { choose, parseKeyValue } from "../parse/key-value.js";
import { parseCount } from "../parse/number.js";
import { parseOvercommit } from "../parse/placement.js";
import { parseAmounts } from "../parse/resources.js";
import { SwarmError } from "../../lib/index.js";

const group = "Cluster settings";
export const clusterFlags: readonly FlagSpec[] = [
  { name: "heartbeat", kind: "text", value: "DURATION", group, help: "Agents' heartbeat; a node is down after three missed (default 5s)" },
  { name: "task-history", kind: "text", value: "N", group, help: "Ended tasks kept for each slot (default 5)" },
  { name: "placement-strategy", kind: "text", value: "STRATEGY", group, help: "pack (the default), spread or balanced, for services that name none" },
  { name: "address-pool", kind: "list", value: "CIDR", group, help: "Where networks' subnets come from (default 10.0.0.0/8)" },
  { name: "subnet-prefix", kind: "text", value: "N", group, help: "Prefix length of a network's subnet (default 24)" },
  { name: "data-port", kind: "text", value: "PORT", group, help: "UDP port of the overlay (default 4789)" },
  { name: "certificate-validity", kind: "text", value: "DURATION", group, help: "How long a node's certificate is good for (default 90d)" },
];

/** How nodes are shared: also changed while the cluster runs, together with what `update` alone can take away. */
export const sharingFlags: readonly FlagSpec[] = [
  { name: "quota", kind: "list", value: "PROJECT=AMOUNTS", group, help: "Most that a project's services may reserve together, such as team-a=cpu=40,memory=100g,gpu=8,disk=1t,tasks=50" },
  { name: "overcommit", kind: "list", value: "[CONSTRAINT:]FACTORS", group, help: "Let nodes promise more than they have: cpu=1.5,memory=1.2, or only some: node.labels.class==burst:cpu=3; of several the first that fits a node counts" },
  { name: "usage-aware", kind: "switch", group, help: "Prefer nodes by what they really use, not by what is reserved" },
  { name: "auto-rebalance", kind: "text", value: "MOVES_PER_HOUR", bare: "on", group, help: "Move tasks onto nodes that join, at most 60 or so many an hour; \"off\": not" },
  { name: "preemption", kind: "text", value: "on|off", group, help: "Whether services of higher priority make room for themselves (default on)" },
];

export const sharingRemovalFlags: readonly FlagSpec[] = [
  { name: "quota-rm", kind: "list", value: "PROJECT", group, help: "Remove a project's quota" },
  { name: "overcommit-rm", kind: "list", value: "CONSTRAINT", group, help: "Remove the factors of these nodes; \"all\" for those of every node" },
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
  set("placement-strategy", "placementStrategy", (text, flag) => choose(text, flag, { pack: "PACK", spread: "SPREAD", balanced: "BALANCED" } as const));
  set("address-pool", "addressPools", () => flags.list("address-pool"));
  set("subnet-prefix", "subnetPrefix", (text, flag) => parseCount(text, flag, { min: 8, max: 29 }));
  set("data-port", "dataPort", (text, flag) => parseCount(text, flag, { min: 1, max: 65_535 }));
  set("certificate-validity", "certificateValidityMs", parseDuration);
  set("usage-aware", "usageAware", () => flags.on("usage-aware"));
  set("auto-rebalance", "autoRebalance", parseAutoRebalance);
  set("preemption", "preemptionOff", (text, flag) => !choose(text, flag, { on: true, off: false }));
  if (flags.declares("quota")) spec.quotas = membersOf(flags, "quota", before.quotas ?? [], ({ project }) => project, parseQuota, (name) => name);
  if (flags.declares("overcommit")) {
    const members = membersOf(flags, "overcommit", before.overcommit ?? [], ({ constraint }) => constraint, parseOvercommit, (name) => (name === "all" ? "" : name));
    // The first that fits a node counts, so those of every node come last.
    spec.overcommit = [...members.filter(({ constraint }) => constraint !== ""), ...members.filter(({ constraint }) => constraint === "")];
  }
  return spec;
}

/** "on", "off" or a number of moves an hour */
function parseAutoRebalance(text: string, flag: string): AutoRebalance {
  if (text === "on" || text === "off") return { isOn: text === "on", movesPerHour: 0 };
  if (!/^-?\d/.test(text)) throw new SwarmError("INVALID_ARGUMENT", `The value "${text}" of ${flag} is not possible: write on, off or a whole number of moves an hour.`);
  return { isOn: true, movesPerHour: parseCount(text, flag, { min: 1, max: 10_000 }) };
}

/** "team-a=cpu=40,memory=100g,gpu=8,tasks=50" */
function parseQuota(text: string, flag: string): ProjectQuota {
  const [project, amounts] = parseKeyValue(text, flag, "PROJECT=AMOUNTS, such as team-a=cpu=40,memory=100g");
  let tasks = 0;
  const limits = parseAmounts(amounts, `${flag} ${project}=`, { tasks: (value) => { tasks = parseCount(value, `${flag} ${project}=tasks=`); } });
  return { project, limits, tasks };
}

/** What there was, without what is removed, with what is given in the place of what it replaces, or at the end. */
function membersOf<T>(flags: Flags, name: string, before: readonly T[], keyOf: (item: T) => string, parse: (text: string, flag: string) => T, keyOfRemoved: (text: string) => string): T[] {
  const members = new Map(before.map((item) => [keyOf(item), item]));
  for (const text of flags.declares(`${name}-rm`) ? flags.list(`${name}-rm`) : []) {
    if (members.delete(keyOfRemoved(text))) continue;
    const there = [...members.keys()].map((key) => `"${key || "all"}"`).join(", ");
    throw new SwarmError("NOT_FOUND", `Cannot remove "${text}" by --${name}-rm: the cluster has none of that name${there ? `; it has ${there}` : ""}.`);
  }
  for (const item of flags.list(name).map((text) => parse(text, `--${name}`))) members.set(keyOf(item), item);
  return [...members.values()];
}
