import { newClusterSpec, newEndpointSpec, newNetworkSpec, newPlacement, newResources, newRestartPolicy, newUpdateConfig, newVolumeSpec } from "./objects.js";
import type { ClusterSpec, HealthConfig, NetworkSpec, Placement, Resources, ServiceSpec, TaskSpec, VolumeSpec } from "./types.js";

/**
 * Fills what a request left out. A part that is absent gets its defaults; inside a part 0 and "" stand for the default only where
 * they mean nothing themselves (a longest delay of 0, say; but 0 replicas and a first restart delay of 0 are wishes).
 */
export function withServiceDefaults(spec: ServiceSpec): ServiceSpec {
  return { ...spec, task: spec.task && withTaskDefaults(spec.task), endpoint: spec.endpoint ?? newEndpointSpec(), update: spec.update ?? newUpdateConfig() };
}

function withTaskDefaults(task: TaskSpec): TaskSpec {
  const { container, restart } = task;
  return {
    ...task,
    container: container && { ...container, stopGraceMs: container.stopGraceMs || 10_000, health: container.health && withHealthDefaults(container.health) },
    reservations: task.reservations ? inOrder(task.reservations) : newResources(),
    limits: task.limits ?? newResources(),
    restart: restart ? { ...restart, maxDelayMs: restart.maxDelayMs || Math.max(newRestartPolicy().maxDelayMs, restart.delayMs) } : newRestartPolicy(),
    placement: task.placement ? withPlacementDefaults(task.placement) : newPlacement(),
  };
}

/** Kinds sorted, so that specs that mean the same are the same; a GPU request for nothing is none. */
const inOrder = (resources: Resources): Resources => ({
  ...resources,
  generic: [...resources.generic].sort((a, b) => (a.kind < b.kind ? -1 : 1)),
  gpu: resources.gpu && (resources.gpu.count > 0 || resources.gpu.millis > 0 || resources.gpu.models.length > 0) ? resources.gpu : null,
});

const defaultWeight = 50;

const withPlacementDefaults = (placement: Placement): Placement => ({
  ...placement,
  preferences: placement.preferences.map((preference) => ({ ...preference, weight: preference.weight || defaultWeight })),
  affinities: placement.affinities.map((affinity) => ({ ...affinity, key: affinity.key || "node.id", weight: affinity.weight || (affinity.required ? 0 : defaultWeight) })),
});

const withHealthDefaults = (health: HealthConfig): HealthConfig => ({
  ...health,
  intervalMs: health.intervalMs || 30_000,
  timeoutMs: health.timeoutMs || 30_000,
  retries: health.retries || 3,
  startIntervalMs: health.startIntervalMs || 5_000,
});

export const withNetworkDefaults = (spec: NetworkSpec): NetworkSpec => ({ ...spec, driver: spec.driver || newNetworkSpec().driver });

export const withVolumeDefaults = (spec: VolumeSpec): VolumeSpec => ({ ...spec, driver: spec.driver || newVolumeSpec().driver });

export function withClusterDefaults(spec: ClusterSpec | null): ClusterSpec {
  const defaults = newClusterSpec();
  if (!spec) return defaults;
  return {
    name: spec.name || defaults.name,
    heartbeatMs: spec.heartbeatMs || defaults.heartbeatMs,
    taskHistory: spec.taskHistory || defaults.taskHistory,
    addressPools: spec.addressPools.length > 0 ? spec.addressPools : defaults.addressPools,
    subnetPrefix: spec.subnetPrefix || defaults.subnetPrefix,
    dataPort: spec.dataPort || defaults.dataPort,
    certificateValidityMs: spec.certificateValidityMs || defaults.certificateValidityMs,
    placementStrategy: spec.placementStrategy === "DEFAULT" ? defaults.placementStrategy : spec.placementStrategy,
    quotas: spec.quotas,
    overcommit: spec.overcommit,
    usageAware: spec.usageAware,
    autoRebalance: spec.autoRebalance && { ...spec.autoRebalance, movesPerHour: spec.autoRebalance.movesPerHour || 60 },
    preemptionOff: spec.preemptionOff,
  };
}
