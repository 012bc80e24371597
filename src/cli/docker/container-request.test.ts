import assert from "node:assert/strict";
import { resolve } from "node:path";
import { Flags, flagsOf, parseFlags } from "../flags.js";
import { containerFlags } from "./container-flags.js";
import { containerRequest, publishedPorts } from "./container-request.js";

function request(...argv: string[]) {
  const command = { flags: containerFlags };
  const parsed = parseFlags("swarmctl run", flagsOf(command), argv, true);
  return containerRequest(new Flags(flagsOf(command), parsed.values), parsed.words, { HOME: "/root", MINE: "yes" });
}
const host = (...argv: string[]) => request(...argv, "busybox").body["HostConfig"] as Record<string, any>;

describe("cli: a container's request", () => {
  it("takes the image, and everything behind it as the command", () => {
    const { body } = request("-it", "busybox", "ls", "-l", "--color");
    assert.deepEqual([body["Image"], body["Cmd"], body["Tty"], body["OpenStdin"], body["StdinOnce"]], ["busybox", ["ls", "-l", "--color"], true, true, true]);
  });
  it("leaves out what was not asked for", () => {
    const { body } = request("busybox");
    assert.equal(body["Cmd"], undefined);
    assert.equal(body["Healthcheck"], undefined);
    assert.equal(body["NetworkingConfig"], undefined);
    assert.deepEqual(host()["PortBindings"], {});
  });
  it("reads variables, labels and the entrypoint", () => {
    const { body } = request("-e", "A=1", "-e", "MINE", "-e", "NOTHING", "-l", "x=y=z", "--entrypoint", "sh -c 'a b'", "busybox");
    assert.deepEqual([body["Env"], body["Labels"], body["Entrypoint"]], [["A=1", "MINE=yes"], { x: "y=z" }, ["sh", "-c", "a b"]]);
  });
  it("reads limits as bytes and thousandths", () => {
    const { Memory, MemorySwap, NanoCpus, PidsLimit, ShmSize, Ulimits } = host("-m", "64m", "--memory-swap", "-1", "--cpus", "1.5", "--pids-limit", "9", "--shm-size", "1g", "--ulimit", "nofile=10:20");
    assert.deepEqual([Memory, MemorySwap, NanoCpus, PidsLimit, ShmSize, Ulimits], [64 << 20, -1, 1_500_000_000, 9, 2 ** 30, [{ Name: "nofile", Soft: 10, Hard: 20 }]]);
  });
  it("refuses volumes of the cluster", () => {
    assert.throws(() => host("--mount", "type=cluster,source=data,target=/d"), /volumes of the cluster are for services, and this is a container of one host; write type=volume/);
  });
  it("makes a relative directory of the host absolute", () => {
    assert.deepEqual(host("-v", "./src:/src:ro", "-v", "data:/data", "-v", "/anonymous")["Binds"], [`${resolve("src")}:/src:ro`, "data:/data", "/anonymous"]);
  });
  it("reads mounts, tmpfs, devices, restart and health", () => {
    const config = host("--mount", "type=volume,source=v,target=/v,volume-nocopy", "--tmpfs", "/t:size=1m,mode=700", "--device", "/dev/null:/dev/x:r", "--device", "/dev/zero", "--restart", "on-failure:3");
    assert.deepEqual(config["Mounts"], [{ Type: "volume", Source: "v", Target: "/v", ReadOnly: false, VolumeOptions: { NoCopy: true, Labels: {} } }]);
    assert.deepEqual(config["Tmpfs"], { "/t": "size=1m,mode=700" });
    assert.deepEqual(config["Devices"], [{ PathOnHost: "/dev/null", PathInContainer: "/dev/x", CgroupPermissions: "r" }, { PathOnHost: "/dev/zero", PathInContainer: "/dev/zero", CgroupPermissions: "rwm" }]);
    assert.deepEqual(config["RestartPolicy"], { Name: "on-failure", MaximumRetryCount: 3 });
    assert.deepEqual(request("--health-cmd", "true", "--health-interval", "2s", "busybox").body["Healthcheck"], { Test: ["CMD-SHELL", "true"], Interval: 2_000_000_000 });
    assert.deepEqual(request("--no-healthcheck", "busybox").body["Healthcheck"], { Test: ["NONE"] });
  });
  it("gives further names and an address on a network of one's own only", () => {
    assert.deepEqual(request("--network", "n", "--network-alias", "a", "--ip", "10.0.0.5", "busybox").body["NetworkingConfig"], { EndpointsConfig: { n: { Aliases: ["a"], IPAMConfig: { IPv4Address: "10.0.0.5" } } } });
    assert.throws(() => request("--ip", "10.0.0.5", "busybox"), { code: "INVALID_ARGUMENT", message: /--network/ });
  });

  describe("published ports", () => {
    const cases: Record<string, object> = {
      "80": { "80/tcp": [{ HostIp: "", HostPort: "" }] },
      "8080:80": { "80/tcp": [{ HostIp: "", HostPort: "8080" }] },
      "127.0.0.1:53:53/udp": { "53/udp": [{ HostIp: "127.0.0.1", HostPort: "53" }] },
      "127.0.0.1::80": { "80/tcp": [{ HostIp: "127.0.0.1", HostPort: "" }] },
      "[::1]:8080:80": { "80/tcp": [{ HostIp: "::1", HostPort: "8080" }] },
      "8000-8001:80-81": { "80/tcp": [{ HostIp: "", HostPort: "8000" }], "81/tcp": [{ HostIp: "", HostPort: "8001" }] },
      "8000-8010:80": { "80/tcp": [{ HostIp: "", HostPort: "8000-8010" }] },
    };
    for (const [text, expected] of Object.entries(cases)) it(text, () => assert.deepEqual(publishedPorts([text]), expected));
    for (const text of ["99999", "0:80", "80:99999", "a:b", "80/icmp", "1-2:3-5", "", "-", "80-79"]) {
      it(`refuses "${text}"`, () => assert.throws(() => publishedPorts([text]), { code: "INVALID_ARGUMENT", message: /--publish/ }));
    }
  });

  for (const [argv, why] of [
    [["--restart", "sometimes"], /--restart/], [["--restart", "always:3"], /--restart/], [["--ulimit", "nofile=a"], /--ulimit/], [["-v", "a:b"], /--volume/], [["-m", "much"], /--memory/], [["--env-file", "/nowhere"], /--env-file/],
    [["--expose", "x"], /--expose/], [["--cpus", "-1"], /--cpus/],
  ] as const) it(`refuses ${argv.join(" ")}`, () => assert.throws(() => request(...argv, "busybox"), { message: why }));
});
