import assert from "node:assert/strict";
import fc from "fast-check";
import {
  newClusterSpec, newContainerSpec, newEndpointSpec, newNetworkSpec, newNodeSpec, newPlacement, newPort, newResources, newRestartPolicy, newServiceSpec, newTaskSpec,
  newUpdateConfig, problemOfClusterSpec, problemOfImageReference, problemOfNetworkSpec, problemOfNodeSpec, problemOfServiceSpec, withClusterDefaults, withServiceDefaults,
  type Affinity, type ClusterSpec, type ContainerSpec, type GenericResource, type HealthConfig, type Mount, type Placement, type PortConfig, type Resources, type ServiceSpec, type Taint, type TaskSpec,
} from "./index.js";

const withContainer = (fields: Partial<ContainerSpec>, task: Partial<TaskSpec> = {}, spec: Partial<ServiceSpec> = {}): ServiceSpec =>
  newServiceSpec({ name: "web", task: newTaskSpec({ container: newContainerSpec({ image: "web", ...fields }), ...task }), ...spec });
const withTask = (task: Partial<TaskSpec>) => withContainer({}, task);
const withPorts = (...ports: Partial<PortConfig>[]) => withContainer({}, {}, { endpoint: newEndpointSpec({ ports: ports.map(newPort) }) });
const mount = (fields: Partial<Mount>): Mount => ({ type: "BIND", source: "/s", target: "/t", readOnly: false, propagation: "", noCopy: false, tmpfsSizeBytes: 0, tmpfsMode: 0, volumeLabels: {}, ...fields });
const health = (fields: Partial<HealthConfig>): HealthConfig => ({ test: ["CMD", "true"], intervalMs: 0, timeoutMs: 0, retries: 0, startPeriodMs: 0, startIntervalMs: 0, ...fields });
const placed = (...constraints: string[]) => withTask({ placement: newPlacement({ constraints }) });

const reserving = (fields: Partial<Resources>) => withTask({ reservations: newResources(fields) });
const generic = (kind: string, count: number, ...ids: string[]): GenericResource => ({ kind, count, ids });
const gpus = (count: number, millis = 0, ...models: string[]) => reserving({ gpu: { count, millis, models } });
const withPlacement = (fields: Partial<Placement>) => withTask({ placement: newPlacement(fields) });
const withAffinities = (...fields: Partial<Affinity>[]) => withPlacement({ affinities: fields.map((each) => ({ service: "db", anti: false, required: false, weight: 50, key: "", ...each })) });

describe("service specs", () => {
  it("a plain one is accepted, with defaults and with everything", () => {
    assert.equal(problemOfServiceSpec(withContainer({})), undefined);
    assert.equal(problemOfServiceSpec(withContainer({
      env: ["A=1", "B"], workdir: "/srv", hostname: "web-1", mounts: [mount({}), mount({ type: "VOLUME", source: "data", target: "/data" }), mount({ type: "TMPFS", source: "", target: "/tmp" })],
      health: health({ test: ["CMD-SHELL", "curl localhost"] }), stopSignal: "SIGRTMIN+3", hosts: ["db:10.0.0.1"],
    }, { placement: newPlacement({ constraints: ["node.role==worker"], spread: ["node.labels.rack"] }), limits: newResources({ memoryBytes: 2 ** 23 }) })), undefined);
  });

  const unknown = "7" as never;
  const refused: [string, ServiceSpec, RegExp][] = [
    ["no name", withContainer({}, {}, { name: "" }), /no name/],
    ["a name of 64 characters", withContainer({}, {}, { name: "a".repeat(64) }), /64 characters; the limit is 63/],
    ["a name with a dot", withContainer({}, {}, { name: "a.b" }), /may hold letters, digits/],
    ["a name that ends in a dash", withContainer({}, {}, { name: "a-" }), /begins and ends/],
    ["an unknown mode", withContainer({}, {}, { mode: unknown }), /the mode "7" is unknown; use replicated or global/],
    ["more replicas than the limit", withContainer({}, {}, { replicas: 10_001 }), /10001 replicas are more than the limit of 10000/],
    ["replicas -1 as uint32 makes it", withContainer({}, {}, { replicas: 4294967295 }), /more than the limit/],
    ["a global service with replicas", withContainer({}, {}, { mode: "GLOBAL", replicas: 3 }), /once on each node/],
    ["no task", withContainer({}, {}, { task: null }), /give an image/],
    ["no image", withContainer({ image: "" }), /no image is given/],
    ["an image with a malformed tag", withContainer({ image: "web:a b" }), /malformed tag/],
    ["an environment entry without a name", withContainer({ env: ["=x"] }), /has no name/],
    ["a relative working directory", withContainer({ workdir: "srv" }), /not absolute/],
    ["a bad host name", withContainer({ hostname: "a_b" }), /no host name/],
    ["two mounts at one target", withContainer({ mounts: [mount({}), mount({ target: "/t/" })] }), /two mounts have the target "\/t"/],
    ["a mount at /", withContainer({ mounts: [mount({ target: "/a/.." })] }), /cannot cover/],
    ["a relative bind source", withContainer({ mounts: [mount({ source: "s" })] }), /absolute source/],
    ["a volume name with a slash", withContainer({ mounts: [mount({ type: "VOLUME", source: "a/b" })] }), /no volume name/],
    ["a tmpfs with a source", withContainer({ mounts: [mount({ type: "TMPFS" })] }), /leave it out/],
    ["an unknown propagation", withContainer({ mounts: [mount({ propagation: "wide" })] }), /"wide" is unknown/],
    ["a negative health interval", withContainer({ health: health({ intervalMs: -1 }) }), /health check interval is -1 ms/],
    ["an unknown kind of health check", withContainer({ health: health({ test: ["RUN", "x"] }) }), /begins with "RUN"/],
    ["a negative grace period", withContainer({ stopGraceMs: -5 }), /stop grace period is -5 ms/],
    ["a stop signal that is none", withContainer({ stopSignal: "bye!" }), /no signal/],
    ["a negative CPU limit", withTask({ limits: newResources({ cpuMillis: -1 }) }), /the least is 0\.001/],
    ["1 MiB of memory", withTask({ reservations: newResources({ memoryBytes: 2 ** 20 }) }), /memory reservation of 1 MiB is too small .* 4 MiB/],
    ["a reservation above the limit", withTask({ reservations: newResources({ memoryBytes: 2 ** 30 }), limits: newResources({ memoryBytes: 2 ** 29 }) }), /reserves 1 GiB of memory and is limited to 512 MiB/],
    ["an unknown restart condition", withTask({ restart: newRestartPolicy({ condition: unknown }) }), /use any, on-failure or none/],
    ["a longest delay below the first", withTask({ restart: newRestartPolicy({ delayMs: 9, maxDelayMs: 3 }) }), /shorter than the first/],
    ["a malformed constraint", placed("node.labels.a"), /cannot use constraint "node\.labels\.a".*KEY==VALUE/],
    ["a constraint on an unknown key", placed("node.size==3"), /"node\.size" is not a key/],
    ["a spread over an unknown key", withTask({ placement: newPlacement({ spread: ["rack"] }) }), /spread over "rack"/],
    ["constraints that contradict each other", placed("node.labels.a==x", "node.labels.a==y"), /"node\.labels\.a==x" and "node\.labels\.a==y" contradict each other/],
    ["NaN CPUs", reserving({ cpuMillis: NaN }), /CPU reservation is NaN/],
    ["infinite memory", reserving({ memoryBytes: Infinity }), /more than any host has/],
    ["more pids than a kernel has", reserving({ pids: 5_000_000 }), /more than any host has \(4194304\)/],
    ["a negative disk", reserving({ diskBytes: -1 }), /disk reservation is -1 bytes/],
    ["a disk of 2^60 bytes", reserving({ diskBytes: 2 ** 60 }), /disk reservation .* more than any host has/],
    ["a limit on disk", withTask({ limits: newResources({ diskBytes: 1 }) }), /disk space is reserved, not limited/],
    ["a limit on GPUs", withTask({ limits: newResources({ gpu: { count: 1, millis: 0, models: [] } }) }), /GPUs are reserved, not limited/],
    ["a generic resource without a kind", reserving({ generic: [generic("", 1)] }), /has no kind/],
    ["a malformed kind", reserving({ generic: [generic("a=b", 1)] }), /"a=b" is no kind/],
    ["none of a generic resource", reserving({ generic: [generic("fpga", 0)] }), /number of "fpga" is 0/],
    ["too many of a generic resource", reserving({ generic: [generic("fpga", 1e7)] }), /more than the limit of 1000000/],
    ["a kind twice", reserving({ generic: [generic("fpga", 1), generic("fpga", 2)] }), /"fpga" is named twice/],
    ["a named generic resource", reserving({ generic: [generic("fpga", 0, "f1")] }), /asks for a number of "fpga", not for "f1"/],
    ["a share of two GPUs", gpus(2, 500), /a share of 0\.5 of 2 GPUs; a share is of one device/],
    ["1000 thousandths of a GPU", gpus(1, 1000), /is 1000 thousandths/],
    ["a share of no GPU", gpus(0, 500), /number of GPUs is 0/],
    ["65 GPUs", gpus(65), /65 GPUs are more than any host has/],
    ["a GPU model twice", gpus(1, 0, "A100", "a100"), /"a100" is named twice/],
    ["a GPU model that is none", gpus(1, 0, "A|B"), /no model of a GPU/],
    ["more pids reserved than allowed", withTask({ reservations: newResources({ pids: 9 }), limits: newResources({ pids: 8 }) }), /reserves 9 pids and is limited to 8/],
    ["an unknown strategy", withPlacement({ strategy: unknown }), /use default, pack, spread or balanced/],
    ["a malformed preference", withPlacement({ preferences: [{ constraint: "x", weight: 1 }] }), /cannot use constraint "x"/],
    ["a preference of weight 0 that no default replaced", withPlacement({ preferences: [{ constraint: "node.id==x", weight: 0 }] }), /weight of preference "node\.id==x" is 0/],
    ["a preference of weight 101", withPlacement({ preferences: [{ constraint: "node.id==x", weight: 101 }] }), /is 101/],
    ["a preference twice", withPlacement({ preferences: [{ constraint: "node.id==x", weight: 1 }, { constraint: "node.id==x", weight: 2 }] }), /named twice/],
    ["an affinity to nothing", withAffinities({ service: "" }), /names no service/],
    ["an affinity by an unknown key", withAffinities({ key: "zone" }), /cannot be by "zone"/],
    ["an affinity of negative weight", withAffinities({ weight: -5 }), /to keep away, use an anti-affinity/],
    ["a required affinity with a weight", withAffinities({ required: true, weight: 5 }), /what is required has none/],
    ["an affinity twice", withAffinities({}, { key: "node.id" }), /affinity to service "db" is given twice/],
    ["an affinity and its opposite", withAffinities({}, { anti: true }), /contradict each other/],
    ["the same node and another zone", withAffinities({ required: true, weight: 0 }, { required: true, weight: 0, anti: true, key: "node.labels.zone" }), /required affinity to service "db" and the required anti-affinity to service "db" by node\.labels\.zone contradict/],
    ["0 tasks a zone", withPlacement({ maxPer: [{ key: "node.labels.zone", count: 0 }] }), /most tasks per node\.labels\.zone are 0/],
    ["tasks per unknown key", withPlacement({ maxPer: [{ key: "zone", count: 1 }] }), /per "zone"/],
    ["two limits per zone", withPlacement({ maxPer: [{ key: "node.labels.zone", count: 1 }, { key: "node.labels.zone", count: 2 }] }), /given twice/],
    ["a toleration without a key", withPlacement({ tolerations: [{ key: "", value: "x" }] }), /no key of a toleration/],
    ["a toleration twice", withPlacement({ tolerations: [{ key: "a", value: "" }, { key: "a", value: "" }] }), /"a" is given twice/],
    ["a priority above 1000", withContainer({}, {}, { priority: 1001 }), /priority is 1001; give a whole number from -1000 to 1000/],
    ["a priority that is no whole number", withContainer({}, {}, { priority: 0.5 }), /priority is 0\.5/],
    ["a global gang", withContainer({}, {}, { mode: "GLOBAL", replicas: 0, gang: true }), /cannot be a gang/],
    ["a project that is no name", withContainer({}, {}, { project: "a b" }), /"a b" is no project's name/],
    ["a project of the name that stands for none", withContainer({}, {}, { project: "none" }), /"none" stands for no project; choose another name/],
    ["a network twice", withTask({ networks: [{ target: "a", aliases: [] }, { target: "a", aliases: [] }] }), /named twice/],
    ["an unknown log driver", withTask({ logDriver: { name: "syslog", options: {} } }), /"syslog" is unknown/],
    ["a target port of 0", withPorts({}), /target port 0/],
    ["a published port above 65535", withPorts({ targetPort: 80, publishedPort: 65_536 }), /published port 65536/],
    ["a port twice", withPorts({ targetPort: 80, publishedPort: 80 }, { targetPort: 81, publishedPort: 80 }), /80\/tcp is published twice/],
    ["dnsrr with an ingress port", withContainer({}, {}, { endpoint: newEndpointSpec({ mode: "DNSRR", ports: [newPort({ targetPort: 80 })] }) }), /dnsrr/],
    ["a negative update delay", withContainer({}, {}, { update: newUpdateConfig({ delayMs: -1 }) }), /update delay/],
    ["a label without a name", withContainer({}, {}, { labels: { "": "x" } }), /has no name/],
  ];
  for (const [what, spec, why] of refused) it(`with ${what} is refused with the reason`, () => assert.match(problemOfServiceSpec(spec) ?? "accepted", why));

  it("everything about placement is accepted together", () => {
    const spec = withContainer({}, {
      reservations: newResources({ diskBytes: 2 ** 30, pids: 10, generic: [generic("fpga", 2), generic("NVIDIA-licence", 1)], gpu: { count: 1, millis: 250, models: ["A100", "Tesla T4"] } }),
      placement: newPlacement({
        strategy: "BALANCED", preferences: [{ constraint: "node.labels.disk==ssd", weight: -20 }], maxPer: [{ key: "node.labels.zone", count: 2 }], tolerations: [{ key: "gpu", value: "" }, { key: "gpu", value: "only" }],
        affinities: [{ service: "db", anti: false, required: true, weight: 0, key: "node.labels.zone" }, { service: "db", anti: true, required: true, weight: 0, key: "node.id" }, { service: "web", anti: true, required: false, weight: 0, key: "" }],
      }),
    }, { priority: -5, gang: true, noMove: true, project: "team.a" });
    const complete = withServiceDefaults(spec);
    assert.equal(problemOfServiceSpec(complete), undefined);
    assert.deepEqual(complete.task!.reservations!.generic.map(({ kind }) => kind), ["NVIDIA-licence", "fpga"]);
    assert.deepEqual(complete.task!.placement!.affinities.map(({ key, weight }) => [key, weight]), [["node.labels.zone", 0], ["node.id", 0], ["node.id", 50]]);
    assert.equal(withServiceDefaults(gpus(0)).task!.reservations!.gpu, null);
  });

  it("no spec of numbers from anywhere passes with an amount that is not a whole number in bounds", () => {
    const amount = fc.oneof(fc.double(), fc.integer(), fc.constantFrom(0, -0, NaN, Infinity, -Infinity, 2 ** 53, 2 ** 63, -1));
    fc.assert(fc.property(amount, amount, amount, amount, amount, amount, amount, amount, (cpuMillis, memoryBytes, pids, diskBytes, units, count, millis, priority) => {
      const spec = withContainer({}, { reservations: newResources({ cpuMillis, memoryBytes, pids, diskBytes, generic: [generic("a", units)], gpu: { count, millis, models: [] } }) }, { priority });
      if (problemOfServiceSpec(spec) === undefined) assert.ok([cpuMillis, memoryBytes, pids, diskBytes, units, count, millis, priority].every(Number.isSafeInteger));
    }), { numRuns: 2000 });
    fc.assert(fc.property(fc.constantFrom("cpuMillis", "memoryBytes", "pids", "diskBytes"), amount, (field, value) => {
      if (problemOfServiceSpec(reserving({ [field]: value })) === undefined) assert.ok(Number.isSafeInteger(value) && value >= 0, String(value));
    }), { numRuns: 2000 });
  });

  it("the same port over TCP and UDP is fine, and so is 0 replicas", () => {
    assert.equal(problemOfServiceSpec(withPorts({ targetPort: 53, publishedPort: 53 }, { targetPort: 53, publishedPort: 53, protocol: "UDP" })), undefined);
    assert.equal(problemOfServiceSpec(withContainer({}, {}, { replicas: 0 })), undefined);
  });

  it("what is left out gets its default, what is said stays", () => {
    const sparse = withServiceDefaults({ ...withContainer({ stopGraceMs: 0 }, { restart: null, placement: null, limits: null }), endpoint: null, update: null });
    assert.deepEqual(sparse, withContainer({}));
    const said = withServiceDefaults(withContainer({ stopGraceMs: 3 }, { restart: newRestartPolicy({ delayMs: 0 }) }, { replicas: 0 }));
    assert.deepEqual([said.task!.container!.stopGraceMs, said.task!.restart!.delayMs, said.replicas], [3, 0, 0]);
  });
});

describe("image references", () => {
  for (const text of ["web", "web:1.2", "library/web", "localhost:5000/a/b:c", "r.example.com/a_b/c-d", `web@sha256:${"0".repeat(64)}`, `web:1@sha256:${"f".repeat(64)}`]) {
    it(`"${text}" is one`, () => assert.equal(problemOfImageReference(text), undefined));
  }
  for (const text of ["", "Web", "a//b", "web:", ":tag", "web@sha256:00", "-web", "a b", "http://web", "web:ta/g:x y", "a..b/c", `x${"a".repeat(1100)}`]) {
    it(`"${text.slice(0, 20)}" is none`, () => assert.notEqual(problemOfImageReference(text), undefined));
  }
});

const quota = (project: string, limits: Partial<Resources> = {}) => ({ project, limits: newResources(limits), tasks: 0 });
const taint = (fields: Partial<Taint>): Taint => ({ key: "gpu", value: "", effect: "NO_SCHEDULE", ...fields });

describe("network, node and cluster specs", () => {
  for (const [fields, why] of [
    [{ subnet: "10.0.9.0" }, /no IPv4 subnet/], [{ subnet: "10.0.9.1/24" }, /host bits set; write 10\.0\.9\.0\/24/], [{ subnet: "10.0.9.0/31" }, /not between \/8 and \/29/],
    [{ gateway: "10.0.9.1" }, /needs a subnet/], [{ subnet: "10.0.9.0/24", gateway: "10.0.8.1" }, /no address of the subnet/], [{ driver: "bridge" }, /"bridge" is unknown/], [{ mtu: 100 }, /MTU 100/],
  ] as const) it(`a network with ${JSON.stringify(fields)} is refused`, () => assert.match(problemOfNetworkSpec(newNetworkSpec({ name: "n", ...fields })) ?? "accepted", why));
  for (const [value, why] of [["a\nb", /"note" holds a control character/], ["\u001b[31m", /control character/], ["x".repeat(1_025), /1025 characters; the limit is 1024/]] as const) {
    it(`a node label of ${JSON.stringify(value.slice(0, 10))} is refused`, () => assert.match(problemOfNodeSpec(newNodeSpec({ labels: { note: value } })) ?? "accepted", why));
  }
  it("plain ones are accepted", () => {
    assert.equal(problemOfNetworkSpec(newNetworkSpec({ name: "n", subnet: "10.0.9.0/24", gateway: "10.0.9.1" })), undefined);
    assert.equal(problemOfNodeSpec(newNodeSpec({ labels: { rack: "a", note: "größer als Ä 1" } })), undefined);
    assert.equal(problemOfClusterSpec(newClusterSpec()), undefined);
    assert.deepEqual(withClusterDefaults(null), newClusterSpec());
  });
  it("what says how the cluster is shared is accepted, with its defaults", () => {
    const spec = withClusterDefaults(newClusterSpec({
      placementStrategy: "BALANCED", quotas: [quota("team-a", { cpuMillis: 40_000, memoryBytes: 1, gpu: { count: 800, millis: 0, models: [] }, generic: [generic("fpga", 3)] }), { project: "b", limits: null, tasks: 50 }],
      overcommit: [{ constraint: "node.labels.class==burst", cpuPercent: 300, memoryPercent: 0 }, { constraint: "", cpuPercent: 150, memoryPercent: 90 }], autoRebalance: { isOn: true, movesPerHour: 0 }, usageAware: true, preemptionOff: true,
    }));
    assert.equal(problemOfClusterSpec(spec), undefined);
    assert.deepEqual([spec.autoRebalance?.movesPerHour, spec.usageAware, spec.preemptionOff, spec.quotas.length], [60, true, true, 2]);
  });
  for (const [taints, why] of <[Partial<Taint>[], RegExp][]>[
    [[{ key: "" }], /no key of a taint/], [[{ key: "a b" }], /"a b" is no key/], [[{ value: "x y" }], /has the value "x y"/], [[{ effect: 7 as never }], /effect of a taint "7" is unknown; use no-schedule/], [[{ value: "a" }, { value: "b" }], /given twice with one effect/],
  ]) it(`a node with the taints ${JSON.stringify(taints)} is refused`, () => assert.match(problemOfNodeSpec(newNodeSpec({ taints: taints.map(taint) })) ?? "accepted", why));
  it("two effects of one key are two taints", () => assert.equal(problemOfNodeSpec(newNodeSpec({ taints: [taint({}), taint({ effect: "NO_EXECUTE", value: "x.y/z" })] })), undefined));
  it("an unknown availability is refused", () => assert.match(problemOfNodeSpec(newNodeSpec({ availability: 9 as never })) ?? "", /availability "9" is unknown; use active, pause or drain/));
  for (const [fields, why] of <[Partial<ClusterSpec>, RegExp][]>[
    [{ quotas: [quota("a b")] }, /no project's name/], [{ quotas: [quota("a"), quota("a")] }, /two quotas/], [{ quotas: [quota("a", { cpuMillis: -1 })] }, /quota of project "a" cannot be used: its CPU limit is -1/],
    [{ quotas: [quota("a", { gpu: { count: 1, millis: 5, models: [] } })] }, /whole devices/], [{ quotas: [quota("a", { generic: [generic("=", 1)] })] }, /no kind/],
    [{ overcommit: [{ constraint: "x", cpuPercent: 150, memoryPercent: 100 }] }, /cannot use constraint/], [{ overcommit: [{ constraint: "", cpuPercent: 5, memoryPercent: 100 }] }, /CPU over-commit of every node is 5 %/],
    [{ overcommit: [{ constraint: "node.role==worker", cpuPercent: 0, memoryPercent: 5_000 }] }, /memory over-commit of nodes with "node\.role==worker" is 5000 %/],
    [{ overcommit: [{ constraint: "", cpuPercent: 150, memoryPercent: 0 }, { constraint: "", cpuPercent: 120, memoryPercent: 0 }] }, /given twice/], [{ autoRebalance: { isOn: true, movesPerHour: 20_000 } }, /20000 moves an hour/],
    [{ placementStrategy: "DEFAULT" }, /use pack, spread or balanced/],
    [{ heartbeatMs: 5 }, /heartbeat/], [{ addressPools: [] }, /address pool/], [{ addressPools: ["10.0.0.0/28"] }, /do not fit/], [{ certificateValidityMs: 60_000 }, /at least 1 h/], [{ certificateValidityMs: 366 * 24 * 3_600_000 }, /a year at most/], [{ dataPort: 53 }, /data port/],
  ]) it(`a cluster with ${JSON.stringify(fields)} is refused`, () => assert.match(problemOfClusterSpec(newClusterSpec(fields)) ?? "accepted", why));
});
