import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createServer as createTlsServer } from "node:https";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { codeOf, silentLogger, systemClock, type ErrorCode } from "../../lib/index.js";
import { BlobStore } from "../content/blob-store.js";
import { parseReference } from "../images/reference.js";
import { openEngineRig, type EngineRig } from "../testing.js";
import { RegistryClient } from "./client.js";
import { freePort, sha256 } from "./testing.js";

type Handler = (request: IncomingMessage, response: ServerResponse, url: URL) => void;
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const descriptor = (bytes: Buffer, more: object = {}) => ({ mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest: sha256(bytes), size: bytes.length, ...more });

async function layerOf(content: Buffer): Promise<Buffer> {
  const tar = pack();
  tar.entry({ name: "file" }, content);
  tar.finalize();
  const parts: Uint8Array[] = [];
  for await (const part of tar as unknown as AsyncIterable<Uint8Array>) parts.push(part);
  return Buffer.concat(parts);
}

/** A registry that says and does what a test wants. */
class Liar {
  readonly blobs = new Map<string, Buffer | Handler>();
  manifests: Buffer | Handler = Buffer.from("");
  readonly seen: string[] = [];
  #server: Server;
  host = "";
  constructor() {
    this.#server = createServer((request, response) => {
      const url = new URL(request.url!, "http://x");
      this.seen.push(`${request.method} ${url.pathname}`);
      const answer = (what: Buffer | Handler | undefined) => { if (what === undefined) { response.writeHead(404); response.end(); } else if (typeof what === "function") what(request, response, url); else response.end(what); };
      if (url.pathname.includes("/manifests/")) answer(typeof this.manifests === "function" ? this.manifests : url.pathname.includes("sha256:") && !url.pathname.endsWith(sha256(this.manifests)) ? this.blobs.get(url.pathname.split("/").at(-1)!) : this.manifests);
      else answer(this.blobs.get(url.pathname.split("/").at(-1)!));
    });
  }
  async open(): Promise<this> { const port = await freePort(); this.host = `127.0.0.1:${port}`; await new Promise<void>((resolve) => this.#server.listen(port, "127.0.0.1", resolve)); return this; }
  async close(): Promise<void> { this.#server.closeAllConnections(); await new Promise((resolve) => this.#server.close(resolve)); }
  add(bytes: Buffer): Buffer { this.blobs.set(sha256(bytes), bytes); return bytes; }
  /** An honest image of one layer; `layer` is how the manifest describes it. */
  image(tar: Buffer, packed: Buffer, layer: object = descriptor(packed)): void {
    const config = this.add(json({ architecture: "amd64", os: "linux", config: {}, rootfs: { type: "layers", diff_ids: [sha256(tar)] } }));
    this.manifests = json({ schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json", config: descriptor(config), layers: [layer] });
  }
}

describe("engine: registries that lie, stall and break", function () {
  this.timeout(60_000);
  let rig: EngineRig;
  let liar: Liar;
  let tar: Buffer;
  let packed: Buffer;
  before(async () => { tar = await layerOf(Buffer.alloc(1_000_000, "some content ")); packed = gzipSync(tar); });
  beforeEach(async () => { rig = await openEngineRig(); liar = await new Liar().open(); });
  afterEach(async () => { await liar?.close(); await rig?.close(); });

  const pull = () => rig.engine().images.pull(`${liar.host}/x:1`);
  const files = (...path: string[]) => { const at = join(rig.config.stateDir, ...path); return existsSync(at) ? readdirSync(at) : []; };
  const layerDirectories = () => files("snapshots").filter((name) => /^[0-9a-f]{64}$/.test(name) || name.startsWith("new-"));
  /** Refused so, and nothing is left: no image, no layer, and no byte unless the next try could use it. */
  const refuses = async (code: ErrorCode, words: RegExp, isKept = false) => {
    await assert.rejects(pull(), (e: Error) => { assert.match(e.message, words); assert.equal(codeOf(e), code, e.message); assert.match(e.message, /^(Cannot pull image|Image|The manifest of image) "/); return true; });
    assert.deepEqual(await rig.engine().images.list(), []);
    assert.deepEqual(layerDirectories(), []);
    if (!isKept) assert.deepEqual([files("content", "sha256"), files("content", "ingest")], [[], []]);
  };
  const works = async () => { liar.blobs.clear(); liar.image(tar, liar.add(packed)); await pull(); };

  it("list tags on pages that end, and lists that are none", async () => {
    const tagged = () => rig.engine().images.tagged(`${liar.host}/x`);
    const pages: Handler = (_, response, url) => {
      const last = Number(url.searchParams.get("last") ?? 0);
      response.setHeader("link", `</v2/x/tags/list?last=${Math.min(last + 1, 2)}&n=1>; rel="next"`);
      response.end(json({ name: "x", tags: [`t${last}`] }));
    };
    liar.blobs.set("list", pages);
    assert.deepEqual(await tagged(), [0, 1, 2].map((i) => `${liar.host}/x:t${i}`));
    liar.blobs.set("list", json({ name: "x", tags: null }));
    await assert.rejects(tagged(), { code: "NOT_FOUND", message: /the registry has no tag of it/ });
    for (const body of ["<html>", "[]", '{"tags":[1]}', '{"tags":["../../etc"]}', '{"tags":"all"}']) {
      liar.blobs.set("list", Buffer.from(body));
      await assert.rejects(tagged(), body === "[]" ? { code: "NOT_FOUND" } : { message: /its list of tags is not one/ });
    }
  });
  it("send something that is no manifest", async () => {
    liar.manifests = Buffer.from("<html>welcome to the hotel's network</html>");
    await refuses("INVALID_ARGUMENT", /it is not JSON/);
    liar.manifests = json({ schemaVersion: 1, fsLayers: [] });
    await refuses("INVALID_ARGUMENT", /schema 1/);
    liar.manifests = json({ schemaVersion: 2, config: { digest: "sha256:../../etc/passwd", size: 1 }, layers: [] });
    await refuses("INVALID_ARGUMENT", /the config is malformed/);
    liar.manifests = json({ schemaVersion: 2, config: descriptor(packed, { size: -1 }), layers: [] });
    await refuses("INVALID_ARGUMENT", /the config is malformed/);
    liar.manifests = (_request, response) => { response.setHeader("docker-content-digest", sha256(Buffer.from("other"))); response.end(json({})); };
    await refuses("DATA_LOSS", /its manifest does not match its digest/);
    await works();
  });

  it("send manifests, configs and indexes without end", async () => {
    let sent = 0;
    const endless: Handler = (request, response) => {
      const send = () => { while (!response.destroyed && sent < 200e6) { sent += 65_536; if (!response.write(Buffer.alloc(65_536, " "))) { response.once("drain", send); return; } } };
      send();
      request.on("error", () => {});
    };
    liar.manifests = endless;
    await refuses("INVALID_ARGUMENT", /its manifest is larger than 4 MiB/);
    assert.ok(sent < 50e6, `${sent} bytes were read`);
    const config = { mediaType: "x", digest: sha256(Buffer.from("c")), size: 5_000_000_000 };
    liar.manifests = json({ schemaVersion: 2, config, layers: [] });
    await refuses("INVALID_ARGUMENT", /its config is larger than 16 MiB/);
    let index = json({ schemaVersion: 2, manifests: [] });
    for (let i = 0; i < 6; i++) { liar.add(index); index = json({ schemaVersion: 2, manifests: [{ ...descriptor(index), platform: { os: "linux", architecture: "amd64" } }] }); }
    liar.manifests = index;
    await refuses("INVALID_ARGUMENT", /its index leads to an index again and again/);
    liar.manifests = json({ schemaVersion: 2, config: descriptor(json({})), layers: Array.from({ length: 10_000 }, () => descriptor(packed)) });
    await refuses("INVALID_ARGUMENT", /it has 10000 layers, and 500 are the most/);
  });

  it("name more layers than the config, or a config that is none", async () => {
    const config = liar.add(json({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [sha256(tar), sha256(tar)] } }));
    liar.add(packed);
    liar.manifests = json({ schemaVersion: 2, config: descriptor(config), layers: [descriptor(packed)] });
    await refuses("INVALID_ARGUMENT", /its config names 2 layers, its manifest 1/);
    const none = liar.add(json({ hello: "helm" }));
    liar.manifests = json({ schemaVersion: 2, config: descriptor(none), layers: [] });
    await refuses("INVALID_ARGUMENT", /names no root filesystem/);
    await works();
  });

  it("name things of other types than they should, of which every list of images would break", async () => {
    liar.add(packed);
    const good = { architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [sha256(tar)] } };
    const serve = (config: unknown) => { liar.manifests = json({ schemaVersion: 2, config: descriptor(liar.add(json(config))), layers: [descriptor(packed)] }); };
    for (const [config, words] of [
      [null, /names no root filesystem/], [{ ...good, os: {} }, /its "os" is/], [{ ...good, history: [null] }, /its "history" is/], [{ ...good, config: "x" }, /its "config" is/], [{ ...good, config: { Labels: { a: 5 } } }, /its "Labels" is/],
      [{ ...good, config: { Labels: ["a=b"] } }, /its "Labels" is/], [{ ...good, config: { Env: [5] } }, /its "Env" is/], [{ ...good, config: { Volumes: ["/a"] } }, /its "Volumes" is/], [{ ...good, config: { Healthcheck: { Test: ["CMD", "x"], Interval: "1s" } } }, /its "Healthcheck" is/],
    ] as const) { serve(config); await refuses("INVALID_ARGUMENT", words); }
    for (const entry of [{ platform: "linux" }, { platform: { os: 5 } }, { annotations: 5 }, { mediaType: 5 }]) {
      liar.manifests = json({ schemaVersion: 2, manifests: [descriptor(packed, entry)] });
      await refuses("INVALID_ARGUMENT", /entry 0 is malformed/);
    }
    serve({ ...good, created: null, config: { Labels: null, Cmd: "echo", Env: null } });
    await pull();
  });

  it("declare layers that no disk holds", async () => {
    liar.image(tar, packed, descriptor(packed, { size: Number.MAX_SAFE_INTEGER }));
    liar.add(packed);
    await refuses("FAILED_PRECONDITION", /no space is left on the disk of ".*": it needs 9007199\.3 GB, and .* can be used/);
    assert.ok(!liar.seen.some((line) => line.includes(sha256(packed))), "nothing was asked for");
  });

  it("declare 10 GB and send little, or declare little and send without end", async () => {
    liar.image(tar, packed, descriptor(packed, { size: 10_000_000_000 }));
    liar.blobs.set(sha256(packed), (_request, response) => { response.writeHead(200); response.write(packed); setTimeout(() => response.destroy(), 20); });
    const { bavail, bsize } = await (await import("node:fs/promises")).statfs(rig.config.stateDir);
    if (bavail * bsize > 11e9) await refuses("UNAVAILABLE", /the connection (ended after \d+ of 10000000000 bytes|broke).*\(tried 4 times\)/, true);
    const small = gzipSync(await layerOf(Buffer.from("small")));
    liar.image(tar, small);
    let sent = 0;
    liar.blobs.set(sha256(small), (_request, response) => {
      const send = () => { while (!response.destroyed && sent < 400e6) { sent += 65_536; if (!response.write(Buffer.alloc(65_536, "x"))) { response.once("drain", send); return; } } };
      send();
    });
    await refuses("DATA_LOSS", /content is longer than the \d+ bytes its manifest names/);
    assert.ok(sent < 100e6, `${sent} bytes were read`);
    await works();
  });

  it("send other content than the digest says, compressed or unpacked", async () => {
    liar.image(tar, packed);
    const wrong = Buffer.from(packed);
    wrong[wrong.length >> 1]! ^= 0xff;
    liar.blobs.set(sha256(packed), wrong);
    await refuses("DATA_LOSS", /content does not match its digest/);
    const other = gzipSync(await layerOf(Buffer.from("another layer")));
    liar.image(tar, liar.add(other));
    await refuses("DATA_LOSS", /does not match/);
    const cut = packed.subarray(0, packed.length - 10);
    liar.image(tar, liar.add(cut));
    await refuses("DATA_LOSS", /gzip|damaged|end/);
    await works();
  });

  it("redirect in circles, out of TLS, or to another host, which gets no credentials", async () => {
    liar.image(tar, packed);
    liar.blobs.set(sha256(packed), (_request, response, url) => { response.writeHead(307, { location: url.pathname }); response.end(); });
    await refuses("FAILED_PRECONDITION", /redirects again and again/);
    const headers: (string | undefined)[] = [];
    const elsewhere = await new Liar().open();
    try {
      elsewhere.blobs.set("layer", (request, response) => { headers.push(request.headers.authorization); response.end(packed); });
      liar.blobs.set(sha256(packed), (request, response) => { headers.push(request.headers.authorization); response.writeHead(307, { location: `http://${elsewhere.host}/layer` }); response.end(); });
      const manifest = liar.manifests as Buffer;
      liar.manifests = (request, response) => { if (!request.headers.authorization) { response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }); response.end(); } else response.end(manifest); };
      await rig.engine().images.pull(`${liar.host}/x:1`, { credentials: { username: "u", password: "p" } });
      assert.deepEqual(headers, [`Basic ${Buffer.from("u:p").toString("base64")}`, undefined]);
    } finally { await elsewhere.close(); }
  });

  it("answer with errors, and are asked again only where that can help", async () => {
    liar.manifests = (_request, response) => { response.writeHead(503); response.end(); };
    await refuses("UNAVAILABLE", /HTTP status 503 \(tried 4 times\)/);
    assert.equal(liar.seen.length, 4);
    liar.manifests = (_request, response) => { response.writeHead(418, { "content-type": "application/json" }); response.end(json({ errors: [{ message: "I am\n a teapot" }] })); };
    await refuses("FAILED_PRECONDITION", /HTTP status 418 \(I am  a teapot\)/);
    assert.equal(liar.seen.length, 5);
    liar.manifests = (_request, response) => { response.writeHead(401, { "www-authenticate": `Bearer realm="http://${liar.host}/token"` }); response.end(); };
    liar.blobs.set("token", (_request, response) => { response.end("not JSON"); });
    await refuses("FAILED_PRECONDITION", /answered with something that is not JSON/);
  });

  it("are left when they stall, however little they still send", async () => {
    const directory = mkdtempSync(join(tmpdir(), "skein-stall-"));
    const client = new RegistryClient({ registries: {}, log: silentLogger, clock: systemClock, answerWithinMs: 200, stallMs: 300 });
    try {
      const store = await BlobStore.open(directory);
      const reference = parseReference(`${liar.host}/x:1`);
      liar.manifests = () => {};
      await assert.rejects(client.manifest(reference, {}), (e: Error) => codeOf(e) === "UNAVAILABLE" && /no answer within 0\.2 s \(tried 4 times\)/.test(e.message));
      const dripping: NodeJS.Timeout[] = [];
      liar.blobs.set(sha256(packed), (_request, response) => { response.writeHead(200); dripping.push(setInterval(() => response.write("x"), 20)); });
      await assert.rejects(client.blob(reference, { mediaType: "", digest: sha256(packed), size: 1e9 }, store, {}, () => {}), (e: Error) => codeOf(e) === "UNAVAILABLE" && /less than 16 KiB went through in 0\.3 s/.test(e.message));
      for (const timer of dripping) clearInterval(timer);
    } finally { client.close(); rmSync(directory, { recursive: true, force: true }); }
  });

  it("send a few bytes that unpack to more than the disk holds: the disk is not filled, and everything is free again", async () => {
    await rig.close();
    const directory = mkdtempSync(join(tmpdir(), "skein-bomb-"));
    const stateDir = join(directory, "state");
    mkdirSync(stateDir);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=300m", "tmpfs", stateDir]);
    try {
      rig = await openEngineRig({ stateDir });
      const bomb = await layerOf(Buffer.alloc(600_000_000, 1));
      liar.image(bomb, liar.add(gzipSync(bomb, { level: 1 })));
      await assert.rejects(pull(), (e: Error) => codeOf(e) === "FAILED_PRECONDITION" && /no space is left/.test(e.message));
      assert.deepEqual([files("content", "sha256"), layerDirectories()], [[], []]);
      const [, used = "0"] = /\n\S+\s+\d+\s+(\d+)/.exec(execFileSync("df", ["-k", stateDir], { encoding: "utf8" })) ?? [];
      assert.ok(Number(used) < 20_000, `${used} KiB are still used`);
      await works();
      await rig.close();
    } finally {
      rig = await openEngineRig();
      execFileSync("umount", [stateDir]);
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it("with a certificate authority of their own are trusted when the configuration names it", async () => {
    const directory = mkdtempSync(join(tmpdir(), "skein-ca-"));
    const path = (name: string) => join(directory, name);
    const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: "ignore" });
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path("ca.key"), "-out", path("ca.pem"), "-days", "2", "-subj", "/CN=test ca");
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path("key"), "-out", path("csr"), "-subj", "/CN=registry", "-addext", "subjectAltName=IP:127.0.0.1");
    openssl("x509", "-req", "-in", path("csr"), "-CA", path("ca.pem"), "-CAkey", path("ca.key"), "-CAcreateserial", "-out", path("pem"), "-days", "2", "-copy_extensions", "copy");
    liar.image(tar, liar.add(packed));
    const server = createTlsServer({ key: readFileSync(path("key")), cert: readFileSync(path("pem")) }, (request, response) => {
      const name = request.url!.split("/").at(-1)!;
      response.end(request.url!.includes("/manifests/") ? liar.manifests as Buffer : liar.blobs.get(name) as Buffer);
    });
    const port = await freePort();
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    const host = `127.0.0.1:${port}`;
    try {
      await rig.close();
      rig = await openEngineRig({ registries: { [host]: { ca: path("ca.pem") }, "mirrored.invalid": { mirrors: [`https://${host}`] } } });
      await rig.engine().images.pull(`${host}/x:1`);
      // The mirror is that same registry, by its own entry.
      await rig.engine().images.pull("mirrored.invalid/x:1");
      await rig.close();
      rig = await openEngineRig({ registries: { "mirrored.invalid": { mirrors: [`https://${host}`] } } });
      const client = new RegistryClient({ registries: { [host]: { ca: path("nowhere.pem") } }, log: silentLogger, clock: systemClock });
      await assert.rejects(client.manifest(parseReference(`${host}/x:1`), {}), /CA file ".*nowhere\.pem" cannot be read/);
      client.close();
    } finally { server.closeAllConnections(); await new Promise((resolve) => server.close(resolve)); rmSync(directory, { recursive: true, force: true }); }
  });

  it("that are mirrors without the image answer for an origin that cannot be reached", async () => {
    await rig.close();
    rig = await openEngineRig({ registries: { "nowhere.invalid": { mirrors: [liar.host] } } });
    liar.manifests = (_request, response) => { response.writeHead(404); response.end(); };
    await assert.rejects(rig.engine().images.pull("nowhere.invalid/x:1"), (e: Error) => codeOf(e) === "NOT_FOUND" && /does not exist at mirror 127.*and registry nowhere\.invalid cannot be reached: its name does not resolve/.test(e.message));
    liar.blobs.clear();
    liar.image(tar, liar.add(packed));
    assert.equal((await rig.engine().images.pull("nowhere.invalid/x:1")).references[0], "nowhere.invalid/x:1");
  });
});
