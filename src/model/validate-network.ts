import { contains, formatCidr, parseCidr, parseIpv4 } from "./network-address.js";
import type { ClusterSpec, NetworkSpec, NodeSpec, Overcommit, ProjectQuota } from "./types.js";
import { first, firstOf, problemOfChoice, problemOfLabels, problemOfName, problemOfProject, type Problem } from "./validate.js";
import { problemOfConstraint, problemOfTaints } from "./validate-placement.js";
import { problemOfQuotaAmounts } from "./validate-resources.js";

export function problemOfNetworkSpec(spec: NetworkSpec): Problem {
  return first(
    () => problemOfName(spec.name),
    () => problemOfLabels(spec.labels),
    () => (spec.driver === "overlay" ? undefined : `the driver "${spec.driver}" is unknown; use overlay`),
    () => problemOfSubnet(spec),
    () => (spec.mtu !== 0 && (spec.mtu < 576 || spec.mtu > 65_535) ? `the MTU ${spec.mtu} is not between 576 and 65535` : undefined),
  );
}

function problemOfSubnet({ subnet, gateway }: NetworkSpec): Problem {
  if (subnet === "") return gateway === "" ? undefined : "a gateway needs a subnet; give both";
  const cidr = parseCidr(subnet);
  if (!cidr) return `"${subnet}" is no IPv4 subnet; write one such as 10.0.9.0/24`;
  if (formatCidr(cidr) !== subnet) return `the subnet "${subnet}" has host bits set; write ${formatCidr(cidr)}`;
  if (cidr.prefix < 8 || cidr.prefix > 29) return `the subnet "${subnet}" is not between /8 and /29`;
  if (gateway === "") return undefined;
  const ip = parseIpv4(gateway);
  return ip === undefined || !contains(cidr, ip) ? `the gateway "${gateway}" is no address of the subnet ${subnet}` : undefined;
}

/** They are compared, grouped by and shown in tables: a line of text each. */
function problemOfNodeLabel(key: string, value: string): Problem {
  if (value.length > longestNodeLabel) return `node label "${key}" has a value of ${value.length} characters; the limit is ${longestNodeLabel}`;
  return /\p{Cc}/u.test(value) ? `the value of node label "${key}" holds a control character, such as a line break; remove it` : undefined;
}

const longestNodeLabel = 1_024;

export function problemOfNodeSpec(spec: NodeSpec): Problem {
  return first(
    () => problemOfLabels(spec.labels, "node label"),
    () => firstOf(Object.entries(spec.labels), ([key, value]) => problemOfNodeLabel(key, value)),
    () => problemOfChoice("availability", spec.availability, ["ACTIVE", "PAUSE", "DRAIN"]),
    () => problemOfChoice("role", spec.desiredRole, ["WORKER", "MANAGER"]),
    () => problemOfTaints(spec.taints),
  );
}

/** A year: a removed node's id must be remembered for as long as any of its certificates may be valid. */
export const longestCertificateValidityMs = 365 * 24 * 3_600_000;

export function problemOfClusterSpec(spec: ClusterSpec): Problem {
  return first(
    () => problemOfName(spec.name),
    () => (spec.heartbeatMs < 100 || spec.heartbeatMs > 3_600_000 ? `the heartbeat period of ${spec.heartbeatMs} ms is not between 100 ms and 1 h` : undefined),
    () => (spec.taskHistory > 1000 ? `a task history of ${spec.taskHistory} is more than the limit of 1000` : undefined),
    () => (spec.addressPools.length === 0 ? "it has no address pool; give one such as 10.0.0.0/8" : undefined),
    () => firstOf(spec.addressPools, (pool) => {
      const cidr = parseCidr(pool);
      if (!cidr) return `"${pool}" is no IPv4 address pool; write one such as 10.0.0.0/8`;
      if (formatCidr(cidr) !== pool) return `the address pool "${pool}" has host bits set; write ${formatCidr(cidr)}`;
      return cidr.prefix > spec.subnetPrefix ? `subnets of /${spec.subnetPrefix} do not fit into the address pool ${pool}` : undefined;
    }),
    () => (spec.subnetPrefix < 8 || spec.subnetPrefix > 29 ? `the subnet size /${spec.subnetPrefix} is not between /8 and /29` : undefined),
    () => (spec.dataPort < 1024 || spec.dataPort > 65_535 ? `the data port ${spec.dataPort} is not between 1024 and 65535` : undefined),
    () => (spec.certificateValidityMs < 3_600_000 ? "certificates must be valid for at least 1 h" : undefined),
    () => (spec.certificateValidityMs > longestCertificateValidityMs ? "certificates may be valid for a year at most; nodes renew theirs by themselves" : undefined),
    () => problemOfChoice("placement strategy", spec.placementStrategy, ["PACK", "SPREAD", "BALANCED"]),
    () => problemOfQuotas(spec.quotas),
    () => problemOfOvercommit(spec.overcommit),
    () => (spec.autoRebalance && spec.autoRebalance.movesPerHour > mostMovesPerHour ? `${spec.autoRebalance.movesPerHour} moves an hour are more than the limit of ${mostMovesPerHour}` : undefined),
  );
}

const mostMovesPerHour = 10_000;

function problemOfQuotas(quotas: readonly ProjectQuota[]): Problem {
  const seen = new Set<string>();
  if (quotas.length > 1_000) return `${quotas.length} quotas are more than the limit of 1000`;
  return firstOf(quotas, ({ project, limits }) => {
    const problem = problemOfProject(project);
    if (problem !== undefined) return problem;
    if (seen.has(project)) return `project "${project}" has two quotas; give it one`;
    seen.add(project);
    const amounts = limits ? problemOfQuotaAmounts(limits) : undefined;
    return amounts && `the quota of project "${project}" cannot be used: ${amounts}`;
  });
}

function problemOfOvercommit(overcommit: readonly Overcommit[]): Problem {
  const seen = new Set<string>();
  if (overcommit.length > 100) return `${overcommit.length} over-commit factors are more than the limit of 100`;
  return firstOf(overcommit, ({ constraint, cpuPercent, memoryPercent }) => {
    const nodes = constraint === "" ? "every node" : `nodes with "${constraint}"`;
    const problem = constraint === "" ? undefined : problemOfConstraint(constraint);
    if (problem !== undefined) return problem;
    if (seen.has(constraint)) return `the over-commit factor of ${nodes} is given twice; give it once`;
    seen.add(constraint);
    const isFactor = (percent: number) => percent === 0 || (Number.isInteger(percent) && percent >= 10 && percent <= 1_000);
    return firstOf([["CPU", cpuPercent], ["memory", memoryPercent]] as const, ([word, percent]) =>
      (isFactor(percent) ? undefined : `the ${word} over-commit of ${nodes} is ${percent} %; give 10 % to 1000 %, where 100 % is what a node has`));
  });
}
