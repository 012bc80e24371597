import assert from "node:assert/strict";
import {
  newClusterSpec, newContainerSpec, newEndpointSpec, newNetworkSpec, newNodeSpec, newPlacement, newPort, newResources, newRestartPolicy, newServiceSpec, newTaskSpec,
  newUpdateConfig, problemOfClusterSpec, problemOfImageReference, problemOfNetworkSpec, problemOfNodeSpec, problemOfServiceSpec, withClusterDefaults, withServiceDefaults,
  type ClusterSpec, type ContainerSpec, type HealthConfig, type Mount, type PortConfig, type ServiceSpec, type TaskSpec,
} from "./index.js";

const withContainer = (fields: Partial<ContainerSpec>, task: Partial<TaskSpec> = {}, spec: Partial<ServiceSpec> = {}): ServiceSpec =>
  newServiceSpec({ name: "web", task: newTaskSpec({ container: newContainerSpec({ image: "web", ...fields }), ...task }), ...spec });
const withTask = (task: Partial<TaskSpec>) => withContainer({}, task);
const withPorts = (...ports: Partial<PortConfig>[]) => withContainer({}, {}, { endpoint: newEndpointSpec({ ports: ports.map(newPort) }) });
const mount = (fields: Partial<Mount>): Mount => ({ type: "BIND", source: "/s", target: "/t", readOnly: false, propagation: "", noCopy: false, tmpfsSizeBytes: 0, tmpfsMode: 0, volumeLabels: {}, ...fields });
const health = (fields: Partial<HealthConfig>): HealthConfig => ({ test: ["CMD", "true"], intervalMs: 0, timeoutMs: 0, retries: 0, startPeriodMs: 0, startIntervalMs: 0, ...fields });
const placed = (...constraints: string[]) => withTask({ placement: newPlacement({ constraints }) });

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
    ["an unknown restart condition", withTask({ restart: newRestartPolicy({ condition: unknown }) }), /use any, on_failure or none/],
    ["a longest delay below the first", withTask({ restart: newRestartPolicy({ delayMs: 9, maxDelayMs: 3 }) }), /shorter than the first/],
    ["a malformed constraint", placed("node.labels.a"), /cannot use constraint "node\.labels\.a".*KEY==VALUE/],
    ["a constraint on an unknown key", placed("node.size==3"), /"node\.size" is not a key/],
    ["a spread over an unknown key", withTask({ placement: newPlacement({ spread: ["rack"] }) }), /spread over "rack"/],
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

describe("network, node and cluster specs", () => {
  for (const [fields, why] of [
    [{ subnet: "10.0.9.0" }, /no IPv4 subnet/], [{ subnet: "10.0.9.1/24" }, /host bits set; write 10\.0\.9\.0\/24/], [{ subnet: "10.0.9.0/31" }, /not between \/8 and \/29/],
    [{ gateway: "10.0.9.1" }, /needs a subnet/], [{ subnet: "10.0.9.0/24", gateway: "10.0.8.1" }, /no address of the subnet/], [{ driver: "bridge" }, /"bridge" is unknown/], [{ mtu: 100 }, /MTU 100/],
  ] as const) it(`a network with ${JSON.stringify(fields)} is refused`, () => assert.match(problemOfNetworkSpec(newNetworkSpec({ name: "n", ...fields })) ?? "accepted", why));
  it("plain ones are accepted", () => {
    assert.equal(problemOfNetworkSpec(newNetworkSpec({ name: "n", subnet: "10.0.9.0/24", gateway: "10.0.9.1" })), undefined);
    assert.equal(problemOfNodeSpec(newNodeSpec({ labels: { rack: "a" } })), undefined);
    assert.equal(problemOfClusterSpec(newClusterSpec()), undefined);
    assert.deepEqual(withClusterDefaults(null), newClusterSpec());
  });
  it("an unknown availability is refused", () => assert.match(problemOfNodeSpec(newNodeSpec({ availability: 9 as never })) ?? "", /availability "9" is unknown; use active, pause or drain/));
  for (const [fields, why] of <[Partial<ClusterSpec>, RegExp][]>[
    [{ heartbeatMs: 5 }, /heartbeat/], [{ addressPools: [] }, /address pool/], [{ addressPools: ["10.0.0.0/28"] }, /do not fit/], [{ certificateValidityMs: 60_000 }, /at least 1 h/], [{ certificateValidityMs: 366 * 24 * 3_600_000 }, /a year at most/], [{ dataPort: 53 }, /data port/],
  ]) it(`a cluster with ${JSON.stringify(fields)} is refused`, () => assert.match(problemOfClusterSpec(newClusterSpec(fields)) ?? "accepted", why));
});
