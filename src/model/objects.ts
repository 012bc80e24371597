import type {
  Cluster, ClusterSpec, ContainerSpec, EndpointSpec, Network, NetworkSpec, Node, NodeDescription, NodeSpec, Placement, PortConfig, Resources,
  RestartPolicy, Service, ServiceSpec, Task, TaskSpec, TaskStatus, UpdateConfig, Revision, Volume, VolumeSpec,
} from "./types.js";

/**
 * Whole objects from a few fields. Every field is present, with the zero value that protobuf has for it, except where a
 * default is documented in objects.proto and named here.
 */
export const newResources = (fields: Partial<Resources> = {}): Resources => ({
  cpuMillis: 0, memoryBytes: 0, pids: 0, diskBytes: 0, generic: [], gpus: [], gpu: null, ...fields,
});

export const newContainerSpec = (fields: Partial<ContainerSpec> = {}): ContainerSpec => ({
  image: "", command: [], args: [], env: [], workdir: "", user: "", groups: [], hostname: "", mounts: [], health: null,
  stopGraceMs: 10_000, stopSignal: "", labels: {}, readOnly: false, init: false, hosts: [], capAdd: [], capDrop: [], tty: false, dns: [],
  sysctls: {}, pullPolicy: "IF_MISSING", ...fields,
});

export const newRestartPolicy = (fields: Partial<RestartPolicy> = {}): RestartPolicy => ({
  condition: "ANY", delayMs: 5_000, maxDelayMs: 300_000, maxAttempts: 0, windowMs: 0, ...fields,
});

export const newPlacement = (fields: Partial<Placement> = {}): Placement => ({
  constraints: [], spread: [], strategy: "DEFAULT", maxPerNode: 0, platforms: [], preferences: [], affinities: [], maxPer: [], tolerations: [], ...fields,
});

export const newTaskSpec = (fields: Partial<TaskSpec> = {}): TaskSpec => ({
  container: newContainerSpec(), reservations: newResources(), limits: newResources(), restart: newRestartPolicy(), placement: newPlacement(),
  networks: [], logDriver: null, forceUpdate: 0, ...fields,
});

export const newPort = (fields: Partial<PortConfig> = {}): PortConfig => ({
  protocol: "TCP", targetPort: 0, publishedPort: 0, mode: "INGRESS", ...fields,
});

export const newEndpointSpec = (fields: Partial<EndpointSpec> = {}): EndpointSpec => ({ mode: "VIP", ports: [], ...fields });

export const newUpdateConfig = (fields: Partial<UpdateConfig> = {}): UpdateConfig => ({
  parallelism: 1, delayMs: 0, failureAction: "UPDATE_PAUSE", monitorMs: 5_000, order: "STOP_FIRST", ...fields,
});

export const newServiceSpec = (fields: Partial<ServiceSpec> = {}): ServiceSpec => ({
  name: "", labels: {}, mode: "REPLICATED", replicas: 1, task: newTaskSpec(), endpoint: newEndpointSpec(), update: newUpdateConfig(),
  priority: 0, gang: false, noMove: false, project: "", ...fields,
});

export const newService = (fields: Partial<Service> & Pick<Service, "id">): Service => ({
  meta: null, spec: newServiceSpec(), revision: 1, endpoint: null, updateStatus: null, isRemoving: false, ...fields,
});

export const revisionId = (serviceId: string, number: number): string => `${serviceId}.${number}`;

export const newRevision = (serviceId: string, number: number, spec: ServiceSpec): Revision => ({
  id: revisionId(serviceId, number), meta: null, serviceId, number, spec,
});

export const newTaskStatus = (fields: Partial<TaskStatus> = {}): TaskStatus => ({
  state: "NEW", timestampMs: 0, message: "", err: "", container: null, hostPorts: [], pending: [], appliedAtMs: 0, ...fields,
});

export const newTask = (fields: Partial<Task> & Pick<Task, "id">): Task => ({
  meta: null, serviceId: "", revision: 0, slot: 0, nodeId: "", desiredState: "RUNNING", status: newTaskStatus(), networks: [], notBeforeMs: 0,
  restarts: 0, stopReason: "", assigned: [], gpus: [], move: null, volumes: [], ...fields,
});

export const newNodeSpec = (fields: Partial<NodeSpec> = {}): NodeSpec => ({ labels: {}, availability: "ACTIVE", desiredRole: "WORKER", taints: [], ...fields });

export const newNodeDescription = (fields: Partial<NodeDescription> = {}): NodeDescription => ({
  hostname: "", os: "linux", arch: "amd64", resources: newResources(), engineVersion: "", engineLabels: {}, plugins: [], attributes: {}, ...fields,
});

export const newNode = (fields: Partial<Node> & Pick<Node, "id">): Node => ({
  meta: null, spec: newNodeSpec(), role: "WORKER", description: null, status: { state: "UNKNOWN", message: "", addr: "", sinceMs: 0 },
  manager: null, attachments: [], ...fields,
});

export const newNetworkSpec = (fields: Partial<NetworkSpec> = {}): NetworkSpec => ({
  name: "", labels: {}, driver: "overlay", isInternal: false, isAttachable: false, isIngress: false, subnet: "", gateway: "", mtu: 0, ...fields,
});

export const newNetwork = (fields: Partial<Network> & Pick<Network, "id">): Network => ({
  meta: null, spec: newNetworkSpec(), subnet: "", gateway: "", vni: 0, ...fields,
});

export const newVolumeSpec = (fields: Partial<VolumeSpec> = {}): VolumeSpec => ({
  name: "", labels: {}, driver: "local", options: {}, availability: "VOLUME_ACTIVE", scope: "SINGLE_NODE", sharing: "SHARE_NONE", group: "", topology: [], ...fields,
});

export const newVolume = (fields: Partial<Volume> & Pick<Volume, "id">): Volume => ({ meta: null, spec: newVolumeSpec(), nodeId: "", ...fields });

export const newClusterSpec = (fields: Partial<ClusterSpec> = {}): ClusterSpec => ({
  name: "default", heartbeatMs: 5_000, taskHistory: 5, addressPools: ["10.0.0.0/8"], subnetPrefix: 24, dataPort: 4789,
  certificateValidityMs: 90 * 24 * 3_600_000, placementStrategy: "PACK", quotas: [], overcommit: [], usageAware: false, autoRebalance: null,
  preemptionOff: false, ...fields,
});

export const newCluster = (fields: Partial<Cluster> & Pick<Cluster, "id">): Cluster => ({
  meta: null, spec: newClusterSpec(), rootCa: null, joinTokens: null, removedNodes: {}, ...fields,
});
