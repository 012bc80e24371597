import assert from "node:assert/strict";
import type { ContainerDetails, Image } from "../../engine/index.js";
import { errorBody } from "../http/status.js";
import { DetachScanner, parseDetachKeys } from "../streams/detach-keys.js";
import { parseBuildSecrets } from "./build-secrets.js";
import { parseCreate } from "./container-create.js";
import { statusText } from "./container-inspect.js";
import { eventJson, matchesEvent } from "./events.js";
import { Fields } from "./fields.js";
import { Filters } from "./filters.js";
import { humanDuration, humanSize, parseTime, parseTimeNs, progressBar } from "./human.js";
import { matchesReference } from "./images.js";
import { matchesPattern } from "./pattern.js";
import { parseExposedPort, portMap } from "./ports.js";
import { parseRegistryAuth, registryHost } from "./registry-auth.js";
import { parseUpdate } from "./resources.js";

const image: Image = {
  id: "sha256:1", references: [], digests: [], sizeBytes: 1, createdAtMs: 0, os: "linux", arch: "amd64",
  config: { entrypoint: ["/entry"], cmd: ["cmd"], env: ["PATH=/bin", "A=image"], workdir: "/w", user: "", stopSignal: "", labels: { of: "image", both: "image" }, volumes: [], exposedPorts: ["80/tcp"], health: undefined },
};
const parse = (body: object) => parseCreate(Fields.of(body, ""), { id: "1".repeat(64), name: "web", image, containers: new Map(), host: { cpus: 2 } }).config;
const askedConfig = (body: object) => (parse(body).creatorData as { Config: Record<string, unknown> }).Config;

describe("translate", () => {
  describe("commands", () => {
    for (const [body, command, args] of [
      [{}, undefined, undefined], [{ Cmd: ["a"] }, undefined, ["a"]], [{ Entrypoint: ["e"] }, ["e"], undefined], [{ Entrypoint: "e", Cmd: ["a"] }, ["e"], ["a"]],
      [{ Entrypoint: [""], Cmd: ["a"] }, ["a"], undefined], [{ Entrypoint: [] }, ["cmd"], undefined], [{ Entrypoint: [], Cmd: ["a"] }, ["a"], undefined],
    ] as const) {
      it(JSON.stringify(body), () => { const config = parse(body); assert.deepEqual([config.command, config.args], [command, args]); });
    }
    it("an emptied entrypoint without a command is refused", () => assert.throws(() => parse({ Entrypoint: [""] }), /No command specified/));
    it("inspect shows what the image adds", () => {
      const config = askedConfig({ Env: ["A=own", "UNSET"], Labels: { both: "own" } });
      assert.deepEqual([config.Env, config.Cmd, config.Entrypoint, config.WorkingDir, config.Labels, config.ExposedPorts], [["A=own", "PATH=/bin"], ["cmd"], ["/entry"], "/w", { of: "image", both: "own" }, { "80/tcp": {} }]);
      assert.deepEqual([askedConfig({ Entrypoint: ["e"] }).Cmd, askedConfig({ Entrypoint: ["e"] }).Entrypoint], [null, ["e"]]);
    });
  });

  it("names of fields fit in any case, null is absent, unknown fields are nothing", () => {
    assert.deepEqual(parse({ cmd: ["a"], hostconfig: { networkmode: "none", Binds: null }, Nonsense: {} }).network?.mode, "none");
  });
  for (const [body, message] of [
    [{ HostConfig: { Memory: "1" } }, /HostConfig\.Memory must be a whole number, not "1"/], [{ HostConfig: { Mounts: [{ Target: 5 }] } }, /HostConfig\.Mounts\[0\]\.Target must be text/], [{ Labels: { a: 1 } }, /Labels\.a must be text/],
    [{ HostConfig: [] }, /HostConfig must be an object/], [{ Env: ["=x"] }, /environment variable/], [{ WorkingDir: "w" }, /absolute/], [{ HostConfig: { Binds: ["a:b:c:d"] } }, /volume specification/],
    [{ HostConfig: { Binds: ["/a:/b:wrong"] } }, /invalid mode: wrong/], [{ HostConfig: { Binds: ["/a:/"] } }, /can't be '\/'/], [{ HostConfig: { Mounts: [{ Type: "npipe", Target: "/x", Source: "/y" }] } }, /mount type unknown/],
    [{ HostConfig: { Mounts: [{ Type: "volume", Target: "/x", VolumeOptions: { Subpath: "../up" } }] } }, /must not leave/], [{ HostConfig: { MemorySwap: 5e7 } }, /set the Memory limit/],
    [{ HostConfig: { Memory: 5e7, MemorySwap: 4e7 } }, /larger than memory limit/], [{ HostConfig: { NanoCpus: 1e9, CpuQuota: 5e4 } }, /Conflicting options/], [{ HostConfig: { CpusetCpus: "0-7" } }, /not available/],
    [{ HostConfig: { CpusetCpus: "zero" } }, /Invalid value/], [{ HostConfig: { BlkioWeight: 5 } }, /blkio weight/], [{ HostConfig: { RestartPolicy: { Name: "sometimes" } } }, /unknown policy/],
    [{ HostConfig: { RestartPolicy: { Name: "always", MaximumRetryCount: 3 } } }, /maximum retry count/], [{ HostConfig: { NetworkMode: "container:a", PortBindings: { "80/tcp": [{}] } } }, /conflicting options/],
    [{ HostConfig: { Devices: [{ PathOnHost: "/dev/null", CgroupPermissions: "x" }] } }, /device mode/], [{ HostConfig: { Ulimits: [{ Name: "nofile", Soft: 5, Hard: 1 }] } }, /soft limit/], [{ HostConfig: { ExtraHosts: ["nonsense"] } }, /add-host/],
    [{ HostConfig: { Mounts: [{ Type: "bind", Source: "/a", Target: "/b", BindOptions: { ReadOnlyForceRecursive: true } }] } }, /need ReadOnly/], [{ HostConfig: { DeviceRequests: [{}] } }, /device driver "":/], [{ HostConfig: { DeviceRequests: [{ Driver: "cdi", DeviceIDs: ["vendor.com/dev=x"] }] } }, /device driver "cdi":/], [{ HostConfig: { PidMode: "others" } }, /PidMode/], [{ Healthcheck: { Test: ["CMD", "x"], Interval: 5 } }, /1ms/], [{ Healthcheck: { Test: ["RUN"] } }, /healthcheck type/],
    [{ HostConfig: { ConsoleSize: {} } }, /HostConfig\.ConsoleSize must be two/], [{ HostConfig: { ConsoleSize: [1] } }, /ConsoleSize/], [{ OnBuild: [1] }, /OnBuild must be a list of texts/], [{ Shell: "sh" }, /Shell must be/],
    [{ HostConfig: { Annotations: { a: 1 } } }, /HostConfig\.Annotations\.a must be text/], [{ HostConfig: { CpuCount: "2" } }, /CpuCount must be a whole number/], [{ Volumes: { "/v": "x" } }, /Volumes\.\/v must be an object/],
    [{ HostConfig: { PortBindings: { "80/tcp": [{ HostIp: "99999" }] } } }, /not an IP address/],
    [{ NetworkingConfig: { EndpointsConfig: { bridge: { MacAddress: "x" } } } }, /mac address/], [{ MacAddress: "none" }, /mac address/], [{ Hostname: "a b" }, /hostname/], [{ StopSignal: "a b" }, /signal/],
  ] as const) {
    it(`refuses ${JSON.stringify(body)}`, () => assert.throws(() => parse(body), { code: "INVALID_ARGUMENT", message }));
  }

  it("a body that is nested without end is refused before anything of it is kept", () => {
    for (const depth of [101, 100_000]) assert.throws(() => Fields.parse("[".repeat(depth) + "]".repeat(depth)), { code: "INVALID_ARGUMENT", message: /nested more than 100 levels/ });
  });
  it("a message repeats no more than a part of what was sent", () => assert.ok(errorBody(new Error("x".repeat(10_000))).length < 2_100));

  it("mounts of every kind", () => {
    assert.deepEqual(parse({ Volumes: { "/anon": {}, "/v": {} }, HostConfig: { Binds: ["/h:/c:ro,rshared", "vol:/v:nocopy", "/only"], Tmpfs: { "/t": "size=1m" }, Mounts: [{ Type: "bind", Source: "/s", Target: "/m", ReadOnly: true }] } }).mounts, [
      { type: "bind", source: "/h", target: "/c", readOnly: true, createSource: true, propagation: "rshared" }, { type: "volume", name: "vol", target: "/v", readOnly: false, noCopy: true }, { type: "volume", name: "", target: "/only", readOnly: false },
      { type: "bind", source: "/s", target: "/m", readOnly: true }, { type: "tmpfs", target: "/t", options: "size=1m" }, { type: "volume", name: "", target: "/anon", readOnly: false },
    ]);
  });
  it("options of the log without its driver's name are the default driver's", () => {
    assert.deepEqual(parse({ HostConfig: { LogConfig: { Type: "", Config: { "max-size": "2g" } } } }).logDriver, { name: "json-file", options: { "max-size": "2g" } });
    assert.equal(parse({}).logDriver, undefined);
  });
  it("ports", () => {
    assert.deepEqual(parseExposedPort("8000-8001/UDP"), [{ port: 8000, protocol: "udp" }, { port: 8001, protocol: "udp" }]);
    for (const wrong of ["0/tcp", "65536/tcp", "9-8/tcp", "80/icmp", "http", "80/tcp/x"]) assert.throws(() => parseExposedPort(wrong), { code: "INVALID_ARGUMENT" }, wrong);
    const ports = parse({ HostConfig: { PortBindings: { "80/tcp": [{ HostPort: "8080" }, { HostIp: "127.0.0.1", HostPort: "" }], "53": [{ HostPort: "5000-5010" }], "1-2/tcp": [{ HostPort: "11-12" }], "9/tcp": null } } }).network!.ports;
    assert.deepEqual(ports.map((p) => `${p.hostIp}:${p.hostPort}:${p.containerPort}/${p.protocol}`), [":5000-5010:53/tcp", ":8080:80/tcp", "127.0.0.1::80/tcp", ":11:1/tcp", ":12:2/tcp"]);
    assert.deepEqual(portMap([{ containerPort: 80, protocol: "tcp", hostIp: "", hostPort: "1" }], ["80/tcp", "81"]), { "80/tcp": [{ HostIp: "", HostPort: "1" }], "81/tcp": null });
  });
  it("a memory limit brings its swap limit; an update keeps the one there is", () => {
    const before = parse({ HostConfig: { Memory: 64e6, MemorySwap: 200e6 } });
    assert.deepEqual([before.limits.memoryBytes, before.resources?.memorySwapBytes], [64e6, 200e6]);
    assert.equal(parse({ HostConfig: { Memory: 64e6 } }).resources?.memorySwapBytes, 128e6);
    assert.deepEqual(parseUpdate(Fields.of({ Memory: 100e6 }, ""), { cpus: 2 }, before), { limits: { memoryBytes: 100e6 }, resources: { memorySwapBytes: 200e6 } });
    assert.throws(() => parseUpdate(Fields.of({ Memory: 300e6 }, ""), { cpus: 2 }, before), /memoryswap/);
    assert.deepEqual(parseUpdate(Fields.of({ CpuShares: 5 }, ""), { cpus: 2 }, before), { resources: { cpuShares: 5 } });
  });

  it("filters in both forms; unknown ones are refused", () => {
    assert.deepEqual(Filters.parse('{"label":["a","b=c"]}', ["label"]).labels(), [{ name: "a" }, { name: "b", value: "c" }]);
    assert.deepEqual(Filters.parse('{"label":{"a":true}}', ["label"]).all("label"), ["a"]);
    assert.equal(Filters.parse('{"label":["b=c"]}', ["label"]).matchesLabels({ b: "d" }), false);
    for (const wrong of ["[]", "5", '{"label":"a"}', '{"x":["a"]}', "{"]) assert.throws(() => Filters.parse(wrong, ["label"]), { code: "INVALID_ARGUMENT" }, wrong);
  });
  it("names fit patterns as in Docker, and a pattern that would take for ever is ended", () => {
    for (const [pattern, fitting] of [["web", ["web", "web2"]], ["^web$", ["web"]], ["^/web", ["web", "web2"]], ["/db", ["db"]], ["2$", ["web2"]], ["w.b", ["web", "web2"]], ["^(db|web)$", ["web", "db"]]] as const) assert.deepEqual(matchesPattern([pattern], ["web", "web2", "db"]).sort(), [...fitting].sort(), pattern);
    assert.throws(() => matchesPattern(["(((("], ["a"]), /regular expression/);
    assert.throws(() => matchesPattern(["^(a|a)+$"], [`${"a".repeat(60)}!`]), /too long/);
  });
  it("references fit patterns", () => {
    for (const [pattern, isFitting] of [["busybox", true], ["busy*", true], ["busybox:1.*", true], ["busybox:2", false], ["*/busybox", false], ["docker.io/library/busybox", true]] as const) assert.equal(matchesReference(pattern, "docker.io/library/busybox:1.36"), isFitting, pattern);
  });
  it("events", () => {
    const event = { type: "container" as const, action: "health_status: healthy", actorId: "abc", attributes: { image: "busybox:1", name: "web" }, timeNano: 1_700_000_000_123_456_789n };
    const fits = (filters: object) => matchesEvent(event, Filters.parse(JSON.stringify(filters), ["type", "event", "container", "image", "volume", "label"]));
    for (const filters of [{}, { type: ["container"] }, { event: ["health_status"] }, { container: ["web"] }, { container: ["ab"] }, { image: ["busybox"] }, { type: ["image", "container"] }]) assert.ok(fits(filters), JSON.stringify(filters));
    for (const filters of [{ type: ["image"] }, { event: ["die"] }, { container: ["other"] }, { volume: ["web"] }, { label: ["a"] }]) assert.ok(!fits(filters), JSON.stringify(filters));
    assert.equal(eventJson(event), '{"status":"health_status: healthy","id":"abc","from":"busybox:1","Type":"container","Action":"health_status: healthy","Actor":{"ID":"abc","Attributes":{"image":"busybox:1","name":"web"}},"scope":"local","time":1700000000,"timeNano":1700000000123456789}');
  });

  it("times and sizes for people", () => {
    assert.deepEqual([500, 1000, 59_000, 60_000, 3_540_000, 3_600_000, 47 * 3_600_000, 3 * 86_400_000, 20 * 86_400_000, 100 * 86_400_000, 800 * 86_400_000].map(humanDuration), ["Less than a second", "1 second", "59 seconds", "About a minute", "59 minutes", "About an hour", "47 hours", "3 days", "2 weeks", "3 months", "2 years"]);
    assert.deepEqual([0, 999, 1234, 1_500_000, 2_134_528].map((bytes) => humanSize(bytes)), ["0B", "999B", "1.234kB", "1.5MB", "2.135MB"]);
    assert.equal(progressBar(50, 100), `[${"=".repeat(25)}>${" ".repeat(25)}]      50B/100B`);
    assert.deepEqual(["", "10", "1.5", "1h30m", "2020-01-01", "2020-01-01T00:00:00+01:00"].map((text) => parseTime(text, 10_000_000)), [undefined, 10_000, 1500, 4_600_000, 1_577_836_800_000, 1_577_833_200_000]);
    assert.ok(Number.isNaN(parseTime("yesterday", 0)));
    assert.deepEqual([parseTimeNs("1700000000.123456789", 0), parseTimeNs("1.5", 0), parseTimeNs("x", 0)], [1_700_000_000_123_456_789n, 1_500_000_000n, "invalid"]);
  });
  it("status texts", () => {
    const details = { phase: "running", startedAtMs: 1000, health: "healthy", isPaused: false, isRestarting: false, isRemoving: false, exit: { exitCode: 3, finishedAtMs: 0, isOomKilled: false } } as unknown as ContainerDetails;
    assert.deepEqual([details, { ...details, isPaused: true }, { ...details, phase: "exited" as const }, { ...details, isRestarting: true }, { ...details, phase: "created" as const }].map((d) => statusText(d, 5000)),
      ["Up 4 seconds (healthy)", "Up 4 seconds (Paused)", "Exited (3) 5 seconds ago", "Restarting (3) 5 seconds ago", "Created"]);
    assert.equal(statusText({ ...details, phase: "exited", startedAtMs: 0 }, 5000), "Created", "a start that failed");
  });
  it("registry credentials", () => {
    const header = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    assert.deepEqual(parseRegistryAuth(header({ username: "ü?>", password: "p" })), { username: "ü?>", password: "p" });
    assert.deepEqual(parseRegistryAuth(header({ auth: Buffer.from("a:b:c").toString("base64") })), { username: "a", password: "b:c" });
    assert.deepEqual([parseRegistryAuth(""), parseRegistryAuth("e30="), parseRegistryAuth("!!")], [undefined, undefined, undefined]);
    assert.deepEqual(["https://index.docker.io/v1/", "", "r.example:5000", "http://r.example"].map(registryHost), ["docker.io", "docker.io", "r.example:5000", "r.example"]);
  });
  it("secrets of a build", () => {
    const header = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64");
    assert.deepEqual(parseBuildSecrets(header({ a: Buffer.from([0, 255]).toString("base64") })), { a: Buffer.from([0, 255]) });
    assert.deepEqual(parseBuildSecrets(""), {});
    for (const bad of ["!!", header([]), header(null), header({ a: 1 })]) assert.throws(() => parseBuildSecrets(bad), { code: "INVALID_ARGUMENT", message: /X-Build-Secrets/ });
  });
  it("detach keys", () => {
    assert.deepEqual([...parseDetachKeys("")], [16, 17]);
    assert.deepEqual([...parseDetachKeys("ctrl-a,b,ctrl-@,DEL")], [1, 98, 0, 127]);
    assert.throws(() => parseDetachKeys("hyper-a"), { code: "INVALID_ARGUMENT" });
    const scanner = new DetachScanner(Buffer.from([16, 17]));
    assert.deepEqual(scanner.feed(Buffer.from([1, 16])), { forward: Buffer.from([1]), isDetached: false });
    assert.deepEqual([...scanner.rest()], [16]);
    assert.deepEqual(scanner.feed(Buffer.from([16, 2])), { forward: Buffer.from([16, 16, 2]), isDetached: false });
    assert.deepEqual(scanner.feed(Buffer.from([3, 16, 17, 4])), { forward: Buffer.from([3]), isDetached: true });
  });
});
