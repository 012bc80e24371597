import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { silentLogger, systemClock } from "../lib/index.js";
import { waitFor } from "../lib/testing.js";
import { createRootCa, createCsr, generateJoinToken, identityOf, signNodeCertificate, type Root, type TlsIdentity } from "../ca/index.js";
import { joiningServerOptions, listenTls, newServer, nodeAuthorize, serviceDefinition, unary, type TlsListener } from "../rpc/index.js";
import type { IssueCertificateRequest } from "../gen/swarm/v1/IssueCertificateRequest.js";
import { chooseAdvertiseAddr, underlayAddress } from "./addresses.js";
import { enroll, renew } from "./enroll.js";
import { lockStateDir } from "./lock.js";
import { parseArguments, resolveOptions } from "./options.js";
import { loadSettings, saveSettings } from "./settings.js";

describe("daemon", () => {
  let directory: string;
  beforeEach(() => { directory = mkdtempSync(join(tmpdir(), "skein-daemon-")); });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  describe("options", () => {
    const config = async (...argv: string[]) => resolveOptions((await parseArguments(argv))!);

    it("have defaults", async () => {
      const { stateDir, runDir, cgroupParent, logLevel, runtime } = await config();
      assert.deepEqual({ stateDir, runDir, cgroupParent, logLevel, runtime }, { stateDir: "/var/lib/skein", runDir: "/run/skein", cgroupParent: "/skein", logLevel: "info", runtime: "auto" });
    });
    it("--debug is a log level", async () => {
      assert.equal((await config("-D")).logLevel, "debug");
      await assert.rejects(config("--debug", "--log-level", "warn"), { code: "INVALID_ARGUMENT", message: /--log-level warn/ });
    });
    it("join registries of flags and of a file", async () => {
      const path = join(directory, "registries.json");
      writeFileSync(path, JSON.stringify({ "docker.io": { mirrors: ["mirror.example:5000"] } }));
      const { registries } = await config("--registry-plain-http", "127.0.0.1:5000", "--registry-plain-http", "127.0.0.1:5001", "--registry-config", path);
      assert.deepEqual(registries, { "docker.io": { mirrors: ["mirror.example:5000"] }, "127.0.0.1:5000": { plainHttp: true }, "127.0.0.1:5001": { plainHttp: true } });
    });
    for (const [argv, why] of [
      [["--wrong"], /wrong/], [["extra"], /extra/], [["--hostname", "a b"], /--hostname "a b"/], [["--cgroup-parent", "skein"], /absolute cgroup path/], [["--cgroup-parent", "/a/../b"], /cgroup/],
      [["--log-level", "loud"], /loud|Choices/], [["--state-dir", "/a", "--state-dir", "/b"], /twice/], [["--advertise-addr", "a:b"], /a:b/], [["--registry-config", "/nowhere"], /\/nowhere/],
    ] as const) {
      it(`refuse ${argv.join(" ")}`, async () => { await assert.rejects(config(...argv), { code: "INVALID_ARGUMENT", message: why }); });
    }
    it("name what the host has for tasks", async () => {
      const { genericResources, gpus } = await config("--generic-resource", "licence=a,b", "--generic-resource", "fpga=2", "--generic-resource", "licence=c", "--gpu", "A100=GPU-1,GPU-2", "--gpu", "Tesla T4=7");
      assert.deepEqual(genericResources, [{ kind: "fpga", count: 2, ids: [] }, { kind: "licence", count: 3, ids: ["a", "b", "c"] }]);
      assert.deepEqual(gpus?.map(({ id, model }) => `${model} ${id}`), ["A100 GPU-1", "A100 GPU-2", "Tesla T4 7"]);
      assert.equal((await config()).gpus, undefined);
      assert.deepEqual((await config("--gpu", "none")).gpus, []);
      for (const [argv, why] of [
        [["--generic-resource", "fpga"], /write KIND=COUNT/], [["--generic-resource", "a b=1"], /no kind/], [["--generic-resource", "fpga=1", "--generic-resource", "fpga=2"], /given twice/], [["--generic-resource", "fpga=a,a"], /id is given twice/],
        [["--generic-resource", "fpga=a", "--generic-resource", "fpga=2"], /given twice/], [["--generic-resource", "fpga=2", "--generic-resource", "fpga=a"], /as a number too/], [["--generic-resource", "fpga=9999999"], /limit is 1000000/], [["--generic-resource", "fpga=-1"], /an id is/],
        [["--gpu", "A100"], /write MODEL=ID/], [["--gpu", "A=1", "--gpu", "B=1"], /that id is given twice/], [["--gpu", "none", "--gpu", "A=1"], /other devices/], [["--gpu", "A=1,,2"], /an id is/],
      ] as const) await assert.rejects(config(...argv), { code: "INVALID_ARGUMENT", message: why }, argv.join(" "));
    });
    it("serve the Docker API in the run directory, or nowhere", async () => {
      assert.deepEqual((await config("--run-dir", "/tmp/r")).docker.socketPath, "/tmp/r/docker.sock");
      assert.deepEqual((await config("--docker-socket", "")).docker.socketPath, undefined);
      assert.deepEqual((await config("--docker-group", "root")).docker.group, "root");
    });
    it("never serve it over TCP without TLS by accident", async () => {
      for (const [argv, why] of [
        [["--docker-tcp", "127.0.0.1:2375"], /--docker-tls-ca/], [["--docker-tcp", "0.0.0.0:2375", "--docker-tcp-insecure"], /loopback/], [["--docker-tcp-insecure"], /--docker-tcp HOST:PORT/],
        [["--docker-tcp", "127.0.0.1:2376", "--docker-tls-ca", "/nowhere"], /--docker-tls-cert is missing|\/nowhere/], [["--docker-group", "no-such-group"], /groupadd/],
      ] as const) await assert.rejects(config(...argv), { code: "INVALID_ARGUMENT", message: why }, argv.join(" "));
      assert.deepEqual((await config("--docker-tcp", "127.0.0.1", "--docker-tcp-insecure")).docker.tcp, { host: "127.0.0.1", port: 2375, isInsecureAllowed: true });
      const files = ["ca", "cert", "key"].map((name) => { const path = join(directory, name); writeFileSync(path, name, { mode: 0o644 }); return [`--docker-tls-${name}`, path]; }).flat();
      await assert.rejects(config("--docker-tcp", "0.0.0.0:2376", ...files), /chmod 600/);
      chmodSync(join(directory, "key"), 0o600);
      assert.deepEqual((await config("--docker-tcp", "0.0.0.0:2376", ...files)).docker.tcp, { host: "0.0.0.0", port: 2376, tls: { ca: "ca", cert: "cert", key: "key" } });
    });
    it("refuse a registry file with a password that others may read", async () => {
      const path = join(directory, "registries.json");
      writeFileSync(path, JSON.stringify({ "a.example": { username: "ci", password: "secret" } }), { mode: 0o644 });
      await assert.rejects(config("--registry-config", path), (error: Error) => /chmod 600/.test(error.message) && !error.message.includes("secret"));
      chmodSync(path, 0o600);
      assert.equal((await config("--registry-config", path)).registries["a.example"]!.password, "secret");
    });
    it("refuse a registry file with fields that mean nothing", async () => {
      const path = join(directory, "registries.json");
      writeFileSync(path, JSON.stringify({ "docker.io": { plainHtpp: true } }));
      await assert.rejects(config("--registry-config", path), { message: /"plainHtpp"/ });
    });
  });

  describe("the state directory's lock", () => {
    it("lets one daemon in at a time", () => {
      const unlock = lockStateDir(directory);
      assert.throws(() => lockStateDir(directory), { code: "FAILED_PRECONDITION", message: new RegExp(`pid ${process.pid}\\b`) });
      unlock();
      lockStateDir(directory)();
    });
    it("ends with its process, however that ends", async () => {
      const script = `import { lockStateDir } from ${JSON.stringify(fileURLToPath(new URL("./lock.ts", import.meta.url)))}; lockStateDir(${JSON.stringify(directory)}); setInterval(() => {}, 1000);`;
      const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], { stdio: "ignore" });
      try {
        await waitFor("the child has the lock", () => readFileSync(join(directory, "swarmd.lock"), "utf8").trim() === String(child.pid));
        assert.throws(() => lockStateDir(directory), { code: "FAILED_PRECONDITION" });
      } finally { child.kill("SIGKILL"); }
      await waitFor("the lock is free", () => { lockStateDir(directory)(); return true; });
    });
  });

  it("keeps a node's settings", async () => {
    assert.equal(await loadSettings(directory), undefined);
    const settings = { advertiseAddr: "198.18.0.1:2377", listenAddr: "0.0.0.0:2377", managers: ["198.18.0.1:2377"], isManagerMember: true };
    await saveSettings(directory, settings);
    assert.deepEqual(await loadSettings(directory), settings);
    writeFileSync(join(directory, "node.json"), "{");
    await assert.rejects(loadSettings(directory), { code: "DATA_LOSS" });
  });

  it("chooses the address to advertise", async () => {
    assert.equal(await chooseAdvertiseAddr("198.18.0.7"), "198.18.0.7:2377");
    assert.equal(await chooseAdvertiseAddr("", "127.0.0.1:99"), "127.0.0.1:2377");
    await assert.rejects(chooseAdvertiseAddr("0.0.0.0"), { code: "INVALID_ARGUMENT" });
    assert.equal(await underlayAddress("198.18.0.7:2377"), "198.18.0.7");
  });

  describe("enrolment", () => {
    let root: Root;
    let listener: TlsListener;
    let manager: TlsIdentity;
    const issued: IssueCertificateRequest[] = [];
    let role: "WORKER" | "MANAGER" = "WORKER";

    const sign = (csrPem: string, nodeId: string, signer = root) => signNodeCertificate({ root: signer, csrPem, nodeId, role, clusterId: "c1", validityMs: 3_600_000, now: Date.now() });

    before(async () => {
      root = await createRootCa({ clusterId: "c1", now: Date.now() });
      const { csrPem, keyPem } = await createCsr();
      role = "MANAGER";
      manager = { nodeId: "m1", role, clusterId: "c1", certificatePem: await sign(csrPem, "m1"), keyPem, rootCertificatePem: root.certificatePem };
      role = "WORKER";
      const authorize = nodeAuthorize({ clusterId: "c1", removedNodes: () => new Set() });
      const answer = async (request: { csrPem: string }, nodeId: string) => ({ certificatePem: await sign(request.csrPem, nodeId), rootCertificatePem: root.certificatePem, nodeId, role, clusterId: "c1", managers: [] });
      const handlers = {
        GetRootCertificate: unary(authorize, async () => ({ certificatePem: root.certificatePem })),
        IssueCertificate: unary<IssueCertificateRequest, object>(authorize, (request) => { issued.push(request); return answer(request, "n7"); }),
        RenewCertificate: unary<{ csrPem: string }, object>(authorize, (request, { caller }) => answer(request, caller.kind === "node" ? caller.nodeId : "?")),
      };
      const [full, joining] = [newServer(), newServer(joiningServerOptions)];
      for (const server of [full, joining]) server.addService(serviceDefinition("Ca"), handlers);
      listener = await listenTls({ host: "127.0.0.1", port: 0, identity: manager, full, joining, log: silentLogger });
    });
    after(() => listener.close());

    it("gets a certificate for a token, and a new one in a new role with a new key", async () => {
      const addr = `127.0.0.1:${listener.port}`;
      const { identity, managers } = await enroll({ token: generateJoinToken(root.digest), addr, hostname: "host", availability: "DRAIN", clock: systemClock });
      assert.deepEqual([identity.nodeId, identity.role, identity.clusterId, managers], ["n7", "WORKER", "c1", [addr]]);
      assert.deepEqual([issued[0]!.hostname, issued[0]!.availability], ["host", "DRAIN"]);
      role = "MANAGER";
      const renewed = await renew(identity, ["127.0.0.1:1", addr]);
      assert.equal(identityOf(renewed.identity.certificatePem).role, "MANAGER");
      assert.notEqual(renewed.identity.keyPem, identity.keyPem);
    });
    it("gives its token to nobody but the cluster that the token names", async () => {
      const before = issued.length;
      await assert.rejects(enroll({ token: generateJoinToken("ab".repeat(32)), addr: `127.0.0.1:${listener.port}`, hostname: "host", availability: "ACTIVE", clock: systemClock }), { code: "PERMISSION_DENIED", message: /Cannot trust the manager/ });
      assert.equal(issued.length, before);
    });
    it("says that nobody answers at an address", async () => {
      await assert.rejects(enroll({ token: generateJoinToken(root.digest), addr: "127.0.0.1:1", hostname: "host", availability: "ACTIVE", clock: systemClock }), { code: "UNAVAILABLE", message: /no manager answers at "127\.0\.0\.1:1" \(connect ECONNREFUSED 127\.0\.0\.1:1\)/ });
    });
  });
});
