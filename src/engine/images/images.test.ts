import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { execFileSync } from "node:child_process";
import { pack } from "tar-stream";
import { busyboxImage, demoImage, dockerSave, type BaseImage } from "../../../scripts/base-images.js";
import { codeOf } from "../../lib/index.js";
import { waitFor } from "../../lib/testing.js";
import type { PullProgress } from "../api/index.js";
import { freePort, pushImage, sha256, startRegistry, type Pushed, type TestRegistry } from "../registry/testing.js";
import { openEngineRig, type EngineRig } from "../testing.js";

type Entry = { name: string; type?: "file" | "directory" | "symlink" | "link"; linkname?: string; mode?: number; content?: string | Buffer };

async function tarOf(entries: readonly Entry[]): Promise<Buffer> {
  const tar = pack();
  for (const { content = "", ...header } of entries) tar.entry({ mode: header.type === "directory" ? 0o755 : 0o644, ...header }, content);
  tar.finalize();
  return collect(tar as unknown as AsyncIterable<Uint8Array>);
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}

async function* once(bytes: Buffer): AsyncGenerator<Uint8Array> { yield bytes; }
const save = (layers: Buffer[], reference = "made:latest", config: object = { Cmd: ["sh"] }) => dockerSave({ reference, layers, config });

describe("engine: images", function () {
  this.timeout(60_000);
  let rig: EngineRig;
  let busybox: BaseImage;
  before(async () => { busybox = await busyboxImage(); });
  beforeEach(async () => { rig = await openEngineRig(); });
  afterEach(() => rig?.close());
  const images = () => rig.engine().images;
  const stored = () => ({ blobs: readdirSync(join(rig.config.stateDir, "content/sha256")).length, ingest: readdirSync(join(rig.config.stateDir, "content/ingest")).length, layers: readdirSync(join(rig.config.stateDir, "snapshots")).filter((n) => /^[0-9a-f]{64}$/.test(n)).length });

  it("are loaded from docker save, plain and compressed, and found by every name", async () => {
    const bytes = await collect(dockerSave(busybox));
    const [image] = await images().load(once(bytes));
    assert.deepEqual(image!.references, ["docker.io/library/busybox:latest"]);
    for (const name of ["busybox", "busybox:latest", "docker.io/library/busybox", image!.id, image!.id.slice(7, 19)]) assert.equal((await images().get(name))?.id, image!.id, name);
    assert.equal((await images().get("busybox:other")), undefined);
    assert.equal((await images().load(once(gzipSync(bytes))))[0]!.id, image!.id);
    assert.equal((await images().load(once(execFileSync("zstd", ["-c"], { input: bytes, maxBuffer: 1e8 }))))[0]!.id, image!.id);
    assert.equal((await images().list()).length, 1);
  });

  it("are loaded from an OCI layout", async () => {
    const layer = gzipSync(await tarOf([{ name: "hello", content: "hi" }]));
    const config = Buffer.from(JSON.stringify({ architecture: "amd64", os: "linux", config: { Cmd: ["/hello"] }, rootfs: { type: "layers", diff_ids: [sha256(await tarOf([{ name: "hello", content: "hi" }]))] } }));
    const descriptor = (bytes: Buffer) => ({ mediaType: "x", digest: sha256(bytes), size: bytes.length });
    const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, config: descriptor(config), layers: [descriptor(layer)] }));
    const index = JSON.stringify({ schemaVersion: 2, manifests: [{ ...descriptor(manifest), annotations: { "org.opencontainers.image.ref.name": "team/app:1.0" } }] });
    const tar = pack();
    for (const bytes of [layer, config, manifest]) tar.entry({ name: `blobs/sha256/${sha256(bytes).slice(7)}` }, bytes);
    tar.entry({ name: "index.json" }, index);
    tar.finalize();
    const [image] = await images().load(tar as unknown as AsyncIterable<Uint8Array>);
    assert.deepEqual([image!.references, image!.config.cmd, image!.digests], [["docker.io/team/app:1.0"], ["/hello"], [`docker.io/team/app@${sha256(manifest)}`]]);
  });

  it("are made from a root filesystem with changes, and run", async () => {
    const image = await images().import(once(gzipSync(busybox.layers[0]!)), { reference: "mine:1", changes: ['ENTRYPOINT ["echo", "a b"]', "CMD [\"c\"]", 'ENV A=1 B="two words"', "WORKDIR /tmp", "USER nobody", "EXPOSE 80", "LABEL x=y"] });
    assert.deepEqual(image.config, { entrypoint: ["echo", "a b"], cmd: ["c"], env: ["A=1", "B=two words"], workdir: "/tmp", user: "nobody", stopSignal: "", labels: { x: "y" }, volumes: [], exposedPorts: ["80/tcp"], health: undefined, onBuild: [], shell: [] });
    assert.deepEqual(await rig.output(await rig.run("mine:1", [])), ["a b c"]);
    assert.deepEqual(await rig.output(await rig.run("mine:1", ["d"])), ["a b d"]);
    assert.deepEqual(await rig.output(await rig.run("mine:1", [], { command: ["sh", "-c", "id -un; pwd; echo $B"] })), ["nobody", "/tmp", "two words"]);
    await assert.rejects(images().import(once(busybox.layers[0]!), { reference: "mine:2", changes: ["RUN make"] }), /Change "RUN make" is not valid: known instructions are CMD/);
  });

  it("hide what upper layers delete, and replace what they make opaque", async () => {
    const lower = await tarOf([{ name: "d/", type: "directory" }, { name: "d/old", content: "x" }, { name: "d/gone", content: "x" }, { name: "o/", type: "directory" }, { name: "o/below", content: "x" }, { name: "file", content: "x" }]);
    const upper = await tarOf([{ name: "d/", type: "directory" }, { name: "d/.wh.gone" }, { name: ".wh.file" }, { name: "o/", type: "directory" }, { name: "o/.wh..wh..opq" }, { name: "o/above", content: "y" }]);
    await images().load(save([busybox.layers[0]!, lower, upper]));
    assert.deepEqual(await rig.output(await rig.run("made", ["sh", "-c", "ls /d /o; ls /file 2>/dev/null || echo no file"])), ["/d:", "old", "", "/o:", "above", "no file"]);
  });

  it("cannot write outside their layer", async () => {
    const outside = join(rig.directory, "outside");
    writeFileSync(outside, "untouched");
    for (const entries of [
      [{ name: `../../../../../../../../..${outside}`, content: "evil" }],
      [{ name: outside, content: "evil" }],
      [{ name: "link", type: "symlink" as const, linkname: rig.directory }, { name: "link/outside", content: "evil" }],
      [{ name: "link", type: "symlink" as const, linkname: "../../../../.." }, { name: `link${outside}`, content: "evil" }],
      [{ name: "hard", type: "link" as const, linkname: outside }, { name: "hard", content: "evil" }],
    ]) {
      await images().load(save([await tarOf(entries)])).catch(() => {});
      assert.equal(readFileSync(outside, "utf8"), "untouched", JSON.stringify(entries));
    }
  });

  it("whose archive is damaged, incomplete or something else are refused with the reason, and leave nothing", async () => {
    const bytes = await collect(dockerSave(busybox));
    await assert.rejects(images().load(once(bytes.subarray(0, bytes.length / 2))), /Cannot load the image archive: /);
    await assert.rejects(images().load(once(gzipSync(bytes).subarray(0, 5000))), /Cannot load the image archive: the gzip data is damaged/);
    await assert.rejects(images().load(once(Buffer.from("hello"))), /Cannot load the image archive: /);
    await assert.rejects(images().load(once(await tarOf([{ name: "etc/passwd", content: "" }]))), /neither manifest\.json .* nor index\.json .*use image import/);
    await assert.rejects(images().load(once(await tarOf([{ name: "manifest.json", content: '[{"Config":"x.json","RepoTags":null,"Layers":[]}]' }]))), /names "x\.json", which is not in it/);
    assert.deepEqual(stored(), { blobs: 0, ingest: 0, layers: 0 });
    assert.deepEqual(await images().list(), []);
  });

  describe("in the form of Docker before 1.10", () => {
    const id = (letter: string) => letter.repeat(64);
    const layerJson = (letter: string, more: object = {}) => JSON.stringify({ id: id(letter), created: "2015-10-13T23:47:48.9Z", architecture: "amd64", os: "linux", Size: 1, docker_version: "1.8.2", container_config: { Cmd: ["/bin/sh", "-c", `step ${letter}`] }, ...more });
    const legacy = (repositories: unknown, files: Record<string, string | Buffer>) =>
      tarOf([...Object.entries(files).map(([name, content]) => ({ name, content })), { name: "repositories", content: JSON.stringify(repositories) }]);

    it("are images of today: shared layers once, configs and history kept, and the same id each time", async () => {
      const lower = busybox.layers[0]!, upper = await tarOf([{ name: "upper", content: "here\n" }]);
      const archive = await legacy({ old: { "1": id("b"), also: id("b") }, "team/base": { "2": id("a") } }, {
        [`${id("a")}/VERSION`]: "1.0", [`${id("a")}/json`]: layerJson("a", { config: { Cmd: ["sh"] } }), [`${id("a")}/layer.tar`]: gzipSync(lower),
        [`${id("b")}/VERSION`]: "1.0", [`${id("b")}/json`]: layerJson("b", { parent: id("a"), config: { Cmd: ["cat", "/upper"], Env: ["PATH=/bin"] }, author: "somebody" }), [`${id("b")}/layer.tar`]: upper,
      });
      const loaded = await images().load(once(archive));
      assert.deepEqual(loaded.map(({ references }) => [...references].sort()), [["docker.io/library/old:1", "docker.io/library/old:also"], ["docker.io/team/base:2"]]);
      assert.deepEqual(await rig.output(await rig.run("old:1", [])), ["here"]);
      assert.deepEqual((await images().history("old:1")).map((step) => step.createdBy), ["/bin/sh -c step b", "/bin/sh -c step a"]);
      assert.equal((await images().inspect("old:1")).raw["author"], "somebody");
      assert.equal(stored().layers, 2);
      assert.deepEqual((await images().load(once(archive))).map((image) => image.id), loaded.map((image) => image.id));
      for (const container of await rig.engine().list()) await rig.engine().remove(container.id, { force: true });
      for (const name of ["old:1", "old:also", "team/base:2"]) await images().remove(name);
      assert.deepEqual(stored(), { blobs: 0, ingest: 0, layers: 0 });
    });

    it("are refused when they are damaged, incomplete, circular or full of nonsense, and leave nothing", async () => {
      const layer = await tarOf([{ name: "x", content: "x" }]);
      const whole = { [`${id("a")}/json`]: layerJson("a"), [`${id("a")}/layer.tar`]: layer };
      for (const [repositories, files, why] of [
        [[], whole, /repositories file is not an object/],
        [{ x: "latest" }, whole, /has no tags for "x"/],
        [{ x: { latest: "../../etc" } }, whole, /gives "x:latest" the id "\.\.\/\.\.\/etc", which is none/],
        [{ "UPPER case": { latest: id("a") } }, whole, /UPPER case/],
        [{ x: { latest: id("c") } }, whole, new RegExp(`names "${id("c")}/json", which is not in it`)],
        [{ x: { latest: id("a") } }, { [`${id("a")}/json`]: layerJson("a") }, /layer\.tar", which is not in it/],
        [{ x: { latest: id("a") } }, { ...whole, [`${id("a")}/json`]: "{" }, /json is not JSON/],
        [{ x: { latest: id("a") } }, { ...whole, [`${id("a")}/json`]: "7" }, /json is not an object/],
        [{ x: { latest: id("a") } }, { ...whole, [`${id("a")}/json`]: layerJson("a", { parent: "../x" }) }, /names the parent "\.\.\/x", which is no id/],
        [{ x: { latest: id("a") } }, { ...whole, [`${id("a")}/json`]: layerJson("a", { parent: id("a") }) }, /more than 127 layers, or its parents form a circle/],
        [{ x: { latest: id("a") } }, { ...whole, [`${id("a")}/layer.tar`]: gzipSync(layer).subarray(0, 40) }, /damaged/],
        [{ x: { latest: id("a") } }, { ...whole, [`${id("a")}/layer.tar`]: Buffer.alloc(2000, "no tar") }, /layer/i],
        [{}, whole, /it holds no image/],
      ] as const) await assert.rejects(images().load(once(await legacy(repositories, files))), why, JSON.stringify(repositories));
      assert.deepEqual(stored(), { blobs: 0, ingest: 0, layers: 0 });
      assert.deepEqual(await images().list(), []);
    });
  });

  it("are removed by name, last name last, with everything that no other image has", async () => {
    await images().load(dockerSave(busybox));
    const demo = (await images().load(dockerSave(await demoImage(busybox))))[0]!;
    assert.equal(stored().layers, 2);
    await images().load(dockerSave({ ...busybox, reference: "other/name:2" }));
    assert.deepEqual(await images().remove("busybox"), { untagged: ["docker.io/library/busybox:latest"], deleted: [] });
    const { deleted } = await images().remove("other/name:2");
    assert.equal(deleted.length, 1);
    assert.equal(stored().layers, 2, "the demo image stands on the same layer");
    await images().remove(demo.id);
    assert.deepEqual(stored(), { blobs: 0, ingest: 0, layers: 0 });
    await assert.rejects(images().remove("busybox"), /Cannot remove image "busybox": no such image is on this host/);
  });

  it("stay while a container uses them", async () => {
    await images().load(dockerSave(busybox));
    const id = await rig.run("busybox", ["sleep", "1000"], { name: "web.1" });
    await assert.rejects(images().remove("busybox"), (e: Error) => codeOf(e) === "FAILED_PRECONDITION" && /container "web\.1" uses it/.test(e.message));
    assert.deepEqual(await images().remove("busybox", { force: true }), { untagged: ["docker.io/library/busybox:latest"], deleted: [] });
    assert.equal((await rig.engine().exec(id, { command: ["true"], timeoutMs: 5_000 })).exitCode, 0);
    await rig.engine().remove(id, { force: true });
    const end = Date.now() + 5_000;
    while (stored().layers > 0 && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.deepEqual(stored(), { blobs: 0, ingest: 0, layers: 0 });
  });

  it("made for the demo answer at once with their host name, and say that they are healthy", async () => {
    await images().load(dockerSave(await demoImage(busybox)));
    const id = await rig.run("skein/demo", [], { hostname: "web-7", env: ["SKEIN_TASK=web.7", "SKEIN_NODE=worker-1"] });
    const get = async (path: string) => (await rig.engine().exec(id, { command: ["wget", "-qO-", `http://127.0.0.1:8080${path}`], timeoutMs: 5_000 })).output;
    await waitFor("the web server", async () => (await get("/health")) === "ok\n");
    const page = await get("/");
    for (const part of ["web-7", "web.7", "worker-1"]) assert.ok(page.includes(part), page);
    assert.equal(await get("/cgi-bin/whoami"), "hostname: web-7\ntask: web.7\nnode: worker-1\n");
    assert.deepEqual(await collect(dockerSave(await demoImage(await busyboxImage()))), await collect(dockerSave(await demoImage(busybox))), "the same bytes each time");
  });

  it("are there after the daemon's restart", async () => {
    await images().load(dockerSave(busybox));
    await rig.reopen();
    assert.deepEqual((await images().list()).map((i) => i.references), [["docker.io/library/busybox:latest"]]);
    assert.deepEqual(await rig.output(await rig.run("busybox", ["echo", "hi"])), ["hi"]);
  });
});

describe("engine: pulling from a registry", function () {
  this.timeout(60_000);
  let registry: TestRegistry;
  let rig: EngineRig;
  let demo: BaseImage;
  let pushed: Pushed;
  before(async () => {
    demo = await demoImage(await busyboxImage());
    registry = await startRegistry();
    pushed = await pushImage(registry.host, "team/demo", "1.0", demo);
  });
  after(() => registry?.close());
  beforeEach(async () => { rig = await openEngineRig(); });
  afterEach(() => rig?.close());
  const pull = (name: string, options = {}) => rig.engine().images.pull(`${registry.host}/${name}`, options);

  it("brings an image by tag, by digest and through an index, once for all who ask", async () => {
    const progress: PullProgress[] = [];
    const both = await Promise.all([pull("team/demo:1.0", { onProgress: (p: PullProgress) => progress.push(p) }), pull("team/demo:1.0")]);
    assert.equal(both[0].id, pushed.configDigest);
    assert.equal(both[1].id, pushed.configDigest);
    assert.deepEqual(both[0].digests, [`${registry.host}/team/demo@${pushed.manifestDigest}`]);
    assert.deepEqual(new Set(progress.map((p) => p.id).filter((id) => id && id !== "1.0")), new Set(pushed.layerDigests.map((d) => d.slice(7, 19))));
    assert.ok(progress.some((p) => p.status === "Extracting"));
    assert.equal((await pull(`team/demo@${pushed.manifestDigest}`)).id, pushed.configDigest);
    assert.equal((await pull("team/demo:1.0-index")).id, pushed.configDigest);
    const id = await rig.run(`${registry.host}/team/demo:1.0`, ["ls", "/srv/www"]);
    assert.deepEqual(await rig.output(id), ["cgi-bin", "health"]);
  });

  it("says that an image does not exist, or that the registry is not there", async () => {
    await assert.rejects(pull("team/nope:2"), (e: Error) => codeOf(e) === "NOT_FOUND" && /: image "team\/nope:2" does not exist at registry 127\.0\.0\.1:\d+; check the name/.test(e.message));
    const port = await freePort();
    await assert.rejects(rig.engine().images.pull(`127.0.0.1:${port}/x`), (e: Error) => codeOf(e) === "UNAVAILABLE" && /registry 127\.0\.0\.1:\d+ cannot be reached: the connection was refused/.test(e.message));
  });

  it("refuses a layer whose contents are not what its digest says", async () => {
    const evil = await pushImage(registry.host, "team/evil", "1", { layers: [await tarOf([{ name: "a", content: "some content of this layer" }])], config: {} });
    const hex = evil.layerDigests[0]!.slice(7);
    const path = join(registry.storage, "docker/registry/v2/blobs/sha256", hex.slice(0, 2), hex, "data");
    const bytes = readFileSync(path);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(path, bytes);
    await assert.rejects(pull("team/evil:1"), (e: Error) => codeOf(e) === "DATA_LOSS" && /content does not match its digest/.test(e.message));
    assert.deepEqual(await rig.engine().images.list(), []);
  });

  it("logs in with a user and a password, and says when they are refused", async () => {
    // htpasswd -bnB skein goose
    const locked = await startRegistry({ htpasswd: `skein:${bcryptOfGoose}\n` });
    try {
      const authorization = `Basic ${Buffer.from("skein:goose").toString("base64")}`;
      await pushImage(locked.host, "private", "1", { layers: [], config: { Cmd: ["x"] } }, authorization);
      const ask = (credentials?: { username: string; password: string }) => rig.engine().images.pull(`${locked.host}/private:1`, credentials ? { credentials } : {});
      await assert.rejects(ask(), (e: Error) => codeOf(e) === "PERMISSION_DENIED" && /needs a login/.test(e.message));
      await assert.rejects(ask({ username: "skein", password: "wrong" }), /refuses user "skein"/);
      assert.deepEqual((await ask({ username: "skein", password: "goose" })).config.cmd, ["x"]);
    } finally { await locked.close(); }
  });

  it("asks a token server, prefers mirrors, retries, and goes on where a broken download stopped", async () => {
    const layer = Buffer.concat([await tarOf([{ name: "big", content: "0123456789".repeat(100_000) }])]);
    const config = Buffer.from(JSON.stringify({ architecture: "amd64", os: "linux", config: {}, rootfs: { type: "layers", diff_ids: [sha256(layer)] } }));
    const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, config: { mediaType: "x", digest: sha256(config), size: config.length }, layers: [{ mediaType: "x", digest: sha256(layer), size: layer.length }] }));
    const ranges: (string | undefined)[] = [];
    const server = createServer((request: IncomingMessage, response: ServerResponse) => {
      const url = new URL(request.url!, "http://x");
      if (url.pathname === "/token") return void response.end(JSON.stringify({ token: createHash("sha256").update(url.searchParams.get("scope")!).digest("hex") }));
      const wanted = `Bearer ${createHash("sha256").update("repository:r:pull").digest("hex")}`;
      if (request.headers.authorization !== wanted) {
        response.writeHead(401, { "www-authenticate": `Bearer realm="http://${request.headers.host}/token",service="test",scope="repository:r:pull"` });
        return void response.end();
      }
      if (url.pathname.includes("/manifests/")) return void response.end(manifest);
      if (url.pathname.endsWith(sha256(config))) return void response.end(config);
      ranges.push(request.headers.range);
      const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
      response.writeHead(start > 0 ? 206 : 200, { "content-length": layer.length - start, ...(start > 0 ? { "content-range": `bytes ${start}-${layer.length - 1}/${layer.length}` } : {}) });
      if (ranges.length === 1) { response.write(layer.subarray(0, 300_000)); setTimeout(() => response.destroy(), 50); } else response.end(layer.subarray(start));
    });
    const port = await freePort();
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    await rig.close();
    rig = await openEngineRig({ registries: { "registry.invalid": { mirrors: ["127.0.0.1:1", `127.0.0.1:${port}`] } } });
    try {
      // The mirror breaks once and mirrors get one try, so the origin's failure is told; what arrived stays.
      await assert.rejects(rig.engine().images.pull("registry.invalid/r:1"), (e: Error) => codeOf(e) === "UNAVAILABLE");
      await rig.engine().images.pull("registry.invalid/r:1");
      assert.equal(ranges.length, 2);
      assert.match(ranges[1] ?? "", /^bytes=\d+-$/);
      assert.ok(statSync(join(rig.config.stateDir, "content/sha256", sha256(layer).slice(7))).size === layer.length);
    } finally { server.closeAllConnections(); await new Promise((resolve) => server.close(resolve)); }
  });
});

const bcryptOfGoose = "$2b$04$eLXM3hQWMpJNLQGWAmX4weMmXwkS5L8dmfSQpyPK.oEY..qXuqexS";
