import { strict as assert } from "node:assert";
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("./kv-store.ts", import.meta.url));
/** The example imports raft-ts by its name, as a user's program does: what was built is what runs. */
const built = fileURLToPath(new URL("../dist/index.js", import.meta.url));

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => { server.listen(0, "127.0.0.1", resolve); });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => { server.close(resolve); });
  return port;
}

describe("the example key-value store", function () {
  this.timeout(60_000);
  const running = new Map<number, ChildProcess>();
  /** On standard error, by all of them. */
  let complaints = "";
  let directory: string;
  let ports: Map<number, { raft: number; http: number }>;

  const at = (name: string) => join(directory, name);
  function openssl(...args: string[]): void { execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"], cwd: directory }); }

  function makeCertificate(id: number): void {
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", `${id}.key`, "-subj", `/CN=${id}`, "-out", `${id}.csr`);
    writeFileSync(at(`${id}.ext`), `subjectAltName=DNS:raft-${id}\nextendedKeyUsage=serverAuth,clientAuth\n`);
    openssl("x509", "-req", "-in", `${id}.csr`, "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "1", "-extfile", `${id}.ext`, "-out", `${id}.pem`);
  }

  /** Resolves once the member serves. */
  async function start(id: number, ...how: string[]): Promise<void> {
    const { raft, http } = ports.get(id)!;
    const child = spawn(process.execPath, ["--import=tsx", program, "--raft", `127.0.0.1:${raft}`, "--http", `127.0.0.1:${http}`, "--data", at(String(id)), "--ca", at("ca.pem"), "--certificate", at(`${id}.pem`), "--key", at(`${id}.key`), ...how], { stdio: ["ignore", "pipe", "pipe"] });
    running.set(id, child);
    let said = "";
    child.stderr!.on("data", (chunk: Buffer) => { said += chunk.toString(); complaints += chunk.toString(); });
    await new Promise<void>((resolve, reject) => {
      child.stdout!.once("data", () => resolve());
      child.once("exit", (code) => reject(new Error(`member ${id} ended with ${code}: ${said}`)));
    });
  }

  async function kill(id: number): Promise<void> {
    const child = running.get(id)!;
    running.delete(id);
    // One that did not come up tells of its end no second time.
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }

  const url = (id: number, path: string) => `http://127.0.0.1:${ports.get(id)!.http}${path}`;

  /** Tries while nobody leads. */
  async function ask(id: number, path: string, init: RequestInit = {}): Promise<{ status: number; body: string }> {
    for (const deadline = performance.now() + 20_000; ;) {
      try {
        const response = await fetch(url(id, path), init);
        const body = (await response.text()).trimEnd();
        if (response.status < 500) return { status: response.status, body };
        if (performance.now() > deadline) assert.fail(`${path}: ${response.status} ${body}`);
      } catch (error) { if (performance.now() > deadline) throw error; }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  before(() => { assert.ok(existsSync(built), `Cannot run the example: ${built} is not there; run "npm run build" first`); });

  beforeEach(async () => {
    complaints = "";
    directory = mkdtempSync(join(tmpdir(), "raft-ts-kv-"));
    ports = new Map();
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "ca.key", "-subj", "/CN=ca", "-days", "1", "-out", "ca.pem");
    for (const id of [1, 2, 3]) { makeCertificate(id); ports.set(id, { raft: await freePort(), http: await freePort() }); }
  });

  afterEach(async () => {
    for (const id of [...running.keys()]) await kill(id);
    rmSync(directory, { recursive: true, force: true });
  });

  it("keeps what it acknowledged when its leader is killed, and serves it on every member", async () => {
    await start(1, "--first");
    await start(2, "--join", `127.0.0.1:${ports.get(1)!.http}`);
    await start(3, "--join", `127.0.0.1:${ports.get(2)!.http}`);
    assert.equal((await ask(3, "/keys/colour", { method: "PUT", body: "blue" })).status, 200);
    for (const id of [1, 2, 3]) assert.deepEqual(await ask(id, "/keys/colour"), { status: 200, body: "blue" });

    await kill(1);
    assert.equal((await ask(2, "/keys/colour", { method: "PUT", body: "green" })).status, 200);
    assert.deepEqual(await ask(3, "/keys/colour"), { status: 200, body: "green" });
    await start(1);
    assert.deepEqual(await ask(1, "/keys/colour"), { status: 200, body: "green" });
    assert.equal((await ask(1, "/keys/colour", { method: "DELETE" })).status, 200);
    assert.equal((await ask(2, "/keys/colour")).status, 404);
    assert.doesNotMatch(complaints, /Warning/, "Node has nothing against how it is used");
  });
});
