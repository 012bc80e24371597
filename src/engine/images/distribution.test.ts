import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { createServer, request as httpRequest, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { extract } from "tar-stream";
import { busyboxImage, demoImage, dockerSave, type BaseImage } from "../../../scripts/base-images.js";
import { codeOf } from "../../lib/index.js";
import type { EngineEvent, PullProgress } from "../api/index.js";
import { freePort, pushImage, sha256, startRegistry, type TestRegistry } from "../registry/testing.js";
import { openEngineRig, type EngineRig } from "../testing.js";

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}
async function* once(bytes: Buffer): AsyncGenerator<Uint8Array> { yield bytes; }

async function filesOf(tar: Buffer): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  const parser = extract();
  parser.end(tar);
  for await (const entry of parser) files.set(entry.header.name, await collect(entry as AsyncIterable<Uint8Array>));
  return files;
}

/** Passes everything on to a registry, and lets a test stand in the way. */
async function startProxy(to: string, onRequest: (request: IncomingMessage, response: ServerResponse) => boolean | void): Promise<{ host: string; close(): Promise<void> }> {
  const server: Server = createServer((request, response) => {
    if (onRequest(request, response) === true) return;
    const onward = httpRequest(`http://${to}${request.url}`, { method: request.method, headers: { ...request.headers, host } }, (answer) => { response.writeHead(answer.statusCode!, answer.headers); answer.pipe(response); });
    onward.on("error", () => response.destroy());
    request.on("error", () => {}).on("aborted", () => onward.destroy());
    request.pipe(onward);
  });
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return { host, async close() { server.closeAllConnections(); await new Promise((resolve) => server.close(resolve)); } };
}

describe("engine: images that leave this host", function () {
  this.timeout(60_000);
  let registry: TestRegistry;
  let rig: EngineRig;
  let busybox: BaseImage;
  before(async () => { busybox = await busyboxImage(); registry = await startRegistry(); });
  after(() => registry?.close());
  beforeEach(async () => { rig = await openEngineRig(); });
  afterEach(() => rig?.close());
  const images = () => rig.engine().images;
  const blobs = () => readdirSync(join(rig.config.stateDir, "content/sha256")).length;
  const manifestOf = async (name: string, tag: string) => {
    const answer = await fetch(`http://${registry.host}/v2/${name}/manifests/${tag}`, { headers: { accept: "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json" } });
    return { type: answer.headers.get("content-type"), digest: answer.headers.get("docker-content-digest"), body: await answer.json() as { layers: { digest: string; size: number; mediaType: string }[]; config: { digest: string } } };
  };

  it("are pushed as Docker does it, their layers compressed once and sent once", async () => {
    await images().load(dockerSave(await demoImage(busybox)));
    await images().tag("skein/demo", `${registry.host}/out/demo:1`);
    const progress: PullProgress[] = [];
    const pushed = await images().push(`${registry.host}/out/demo:1`, { onProgress: (p) => progress.push(p) });
    const manifest = await manifestOf("out/demo", "1");
    assert.equal(manifest.type, "application/vnd.docker.distribution.manifest.v2+json");
    assert.deepEqual([pushed.digest, pushed.tag], [manifest.digest, "1"]);
    assert.ok(manifest.body.layers.every((layer) => layer.mediaType === "application/vnd.docker.image.rootfs.diff.tar.gzip"));
    const details = await images().inspect(`${registry.host}/out/demo:1`);
    assert.deepEqual(details.digests, [`${registry.host}/out/demo@${manifest.digest}`]);
    const layer = Buffer.from(await (await fetch(`http://${registry.host}/v2/out/demo/blobs/${manifest.body.layers[0]!.digest}`)).arrayBuffer());
    assert.equal(sha256(gunzipSync(layer)), details.diffIds[0]);
    assert.deepEqual(new Set(progress.map((p) => p.status)), new Set(["Preparing", "Pushing", "Pushed"]));

    const stored = blobs();
    const again: string[] = [];
    assert.equal((await images().push(`${registry.host}/out/demo:1`, { onProgress: (p) => again.push(p.status) })).digest, manifest.digest);
    assert.ok(again.includes("Layer already exists") && !again.includes("Pushed"));
    // Another repository of the same registry takes it from there.
    await images().tag("skein/demo", `${registry.host}/out/other:1`);
    const elsewhere: string[] = [];
    assert.equal((await images().push(`${registry.host}/out/other:1`, { onProgress: (p) => elsewhere.push(p.status) })).digest, manifest.digest);
    assert.ok(elsewhere.some((status) => status === "Mounted from out/demo"), elsewhere.join());
    assert.equal(blobs(), stored, "nothing was compressed again");

    const { id } = details;
    for (const name of ["skein/demo", `${registry.host}/out/demo:1`, `${registry.host}/out/other:1`]) await images().remove(name);
    assert.equal(blobs(), 0);
    assert.equal((await images().pull(`${registry.host}/out/other:1`)).id, id);
  });

  it("of a repository are told by their names", async () => {
    for (const tag of ["a", "b", "c.1"]) await pushImage(registry.host, "many/tags", tag, await demoImage(busybox));
    assert.deepEqual((await images().tagged(`${registry.host}/many/tags`)).sort(), ["a", "a-index", "b", "b-index", "c.1", "c.1-index"].map((tag) => `${registry.host}/many/tags:${tag}`));
    await assert.rejects(images().tagged(`${registry.host}/never/there`), { code: "NOT_FOUND" });
  });

  it("that were pulled are pushed byte for byte as they came", async () => {
    const { manifestDigest, layerDigests } = await pushImage(registry.host, "in/demo", "1", await demoImage(busybox));
    await images().pull(`${registry.host}/in/demo:1`);
    await images().tag(`${registry.host}/in/demo:1`, `${registry.host}/in/copy:2`);
    assert.equal((await images().push(`${registry.host}/in/copy:2`)).digest, manifestDigest);
    assert.deepEqual((await manifestOf("in/copy", "2")).body.layers.map((layer) => layer.digest), layerDigests);
  });

  it("go on where a broken upload stopped", async () => {
    const noise = Buffer.alloc(6_000_000);
    for (let i = 0, x = 1; i < noise.length; i++) { x = (x * 1103515245 + 12345) & 0x7fffffff; noise[i] = x >> 16; }
    const tar = await collect(await (async () => { const { pack } = await import("tar-stream"); const p = pack(); p.entry({ name: "noise" }, noise); p.finalize(); return p as unknown as AsyncIterable<Uint8Array>; })());
    let broken = 0;
    const sentFrom: string[] = [];
    const proxy = await startProxy(registry.host, (request) => {
      if (request.method !== "PATCH") return;
      sentFrom.push(request.headers["content-range"] ?? "");
      if (broken++ > 0) return;
      let bytes = 0;
      request.on("data", (chunk: Buffer) => { bytes += chunk.length; if (bytes > 2_000_000) request.destroy(); });
    });
    try {
      await images().import(once(tar), { reference: `${proxy.host}/resumed:1` });
      await images().push(`${proxy.host}/resumed:1`);
      assert.equal(sentFrom.length, 2);
      assert.match(sentFrom[0]!, /^0-/);
      const manifest = await manifestOf("resumed", "1");
      assert.equal(manifest.body.layers[0]!.size, statSync(join(rig.config.stateDir, "content/sha256", manifest.body.layers[0]!.digest.slice(7))).size);
    } finally { await proxy.close(); }
  });

  it("are refused in words by registries that refuse them", async () => {
    await images().load(dockerSave(busybox));
    await assert.rejects(images().push("nothing:1"), (e: Error) => codeOf(e) === "NOT_FOUND" && /does not exist locally with the tag "nothing:1"/.test(e.message));
    const answers: [number, object, RegExp, string][] = [
      [403, {}, /wants a login; give credentials/, "PERMISSION_DENIED"],
      [405, { errors: [{ code: "UNSUPPORTED", message: "read only" }] }, /HTTP status 405 \(read only\)/, "FAILED_PRECONDITION"],
      [413, {}, /HTTP status 413/, "FAILED_PRECONDITION"],
    ];
    for (const [status, body, words, code] of answers) {
      const proxy = await startProxy(registry.host, (request, response) => {
        if (request.method !== "POST") return;
        response.writeHead(status, { "content-type": "application/json" });
        response.end(JSON.stringify(body));
        return true;
      });
      try {
        await images().tag("busybox", `${proxy.host}/refused${status}:1`);
        await assert.rejects(images().push(`${proxy.host}/refused${status}:1`), (e: Error) => codeOf(e) === code && words.test(e.message));
      } finally { await proxy.close(); }
    }
  });

  it("are looked up in a registry without being pulled", async () => {
    const { manifestDigest } = await pushImage(registry.host, "look/up", "1", { layers: [], config: {} });
    const one = await images().resolve(`${registry.host}/look/up:1`);
    assert.deepEqual([one.digest, one.platforms], [manifestDigest, [{ os: "linux", architecture: "amd64" }]]);
    const index = await images().resolve(`${registry.host}/look/up:1-index`);
    assert.equal(index.mediaType, "application/vnd.oci.image.index.v1+json");
    assert.deepEqual(index.platforms, [{ os: "linux", architecture: "amd64" }]);
    assert.deepEqual(await images().list(), []);
    await assert.rejects(images().resolve(`${registry.host}/look/nowhere:1`), (e: Error) => codeOf(e) === "NOT_FOUND");
    await assert.rejects(images().pull(`${registry.host}/look/up:1-index`, { platform: "linux/s390x" }), /is not there for platform linux\/s390x: it is made for linux\/amd64/);
  });

  it("check a login, and stay out without one", async () => {
    const locked = await startRegistry({ htpasswd: `skein:${bcryptOfGoose}\n` });
    try {
      await images().login(locked.host, { username: "skein", password: "goose" });
      await images().login(`http://${locked.host}/v2/`, { username: "skein", password: "goose" });
      await assert.rejects(images().login(locked.host, { username: "skein", password: "duck" }), (e: Error) => codeOf(e) === "UNAUTHENTICATED" && /incorrect username or password/.test(e.message));
      await images().load(dockerSave(busybox));
      await images().tag("busybox", `${locked.host}/mine:1`);
      await assert.rejects(images().push(`${locked.host}/mine:1`), (e: Error) => codeOf(e) === "PERMISSION_DENIED");
      await images().push(`${locked.host}/mine:1`, { credentials: { username: "skein", password: "goose" } });
      await assert.rejects(images().pull(`${locked.host}/mine:1`, { credentials: { username: "skein", password: "duck" } }), (e: Error) => codeOf(e) === "PERMISSION_DENIED");
    } finally { await locked.close(); }
  });

  it("are pulled with Docker's words, and told whether they were newer", async () => {
    await pushImage(registry.host, "words", "1", await demoImage(busybox));
    const progress: PullProgress[] = [];
    const first = await images().pull(`${registry.host}/words:1`, { onProgress: (p) => progress.push(p) });
    assert.equal(first.isNewer, true);
    const perLayer = new Map<string, string[]>();
    for (const { id, status } of progress) perLayer.set(id, [...(perLayer.get(id) ?? []), status]);
    assert.deepEqual(perLayer.get("1"), ["Pulling from words"]);
    for (const [id, statuses] of perLayer) if (id !== "1") {
      assert.equal(statuses[0], "Pulling fs layer");
      assert.equal(statuses.at(-1), "Pull complete");
      for (const word of ["Verifying Checksum", "Download complete", "Extracting"]) assert.ok(statuses.includes(word), `${word}: ${statuses.join()}`);
    }
    const again: PullProgress[] = [];
    const second = await images().pull(`${registry.host}/words:1`, { onProgress: (p) => again.push(p) });
    assert.deepEqual([second.isNewer, second.pulledDigest], [false, first.pulledDigest]);
    assert.deepEqual(new Set(again.map((p) => p.status)), new Set(["Pulling from words", "Already exists"]));
    // The tag moves: the old image stays, without a name of its own.
    await pushImage(registry.host, "words", "1", { layers: [busybox.layers[0]!], config: { Cmd: ["moved"] } });
    const moved = await images().pull(`${registry.host}/words:1`);
    assert.equal(moved.isNewer, true);
    assert.deepEqual((await images().list()).map((i) => i.references.length).sort(), [0, 1]);
    const { deleted } = await images().prune({});
    assert.ok(deleted.includes(first.id));
    assert.equal((await images().list()).length, 1);
  });

  it("are saved as an archive that docker and OCI tools read, and loaded again with every name", async () => {
    await pushImage(registry.host, "kept", "1", await demoImage(busybox));
    const pulled = await images().pull(`${registry.host}/kept:1`);
    const [loaded] = await images().load(dockerSave(busybox));
    for (const tag of ["one:1", "two:2"]) await images().tag("busybox", tag);
    const tar = await collect(images().save(["busybox", "one:1", "two:2", pulled.id, `${registry.host}/kept:1`]));
    const files = await filesOf(tar);
    const list = JSON.parse(files.get("manifest.json")!.toString()) as { Config: string; RepoTags: string[]; Layers: string[] }[];
    assert.deepEqual(list.map((i) => i.RepoTags), [["busybox:latest", "one:1", "two:2"], [`${registry.host}/kept:1`]]);
    assert.equal((JSON.parse(files.get("index.json")!.toString()) as { manifests: unknown[] }).manifests.length, 4);
    assert.equal(Object.keys(JSON.parse(files.get("repositories")!.toString()) as object).length, 4);
    for (const path of list.flatMap((i) => [i.Config, ...i.Layers])) assert.equal(sha256(files.get(path)!), `sha256:${path.split("/")[2]}`);
    for (const image of await images().list()) await images().remove(image.id, { force: true });
    assert.equal(blobs(), 0);
    const back = await images().load(once(tar));
    assert.deepEqual(back.map((i) => i.id), [loaded!.id, pulled.id]);
    assert.deepEqual(back[0]!.references, ["docker.io/library/busybox:latest", "docker.io/library/one:1", "docker.io/library/two:2"]);
    // The manifest travelled with it: a push goes out as the pull came in.
    assert.equal((await images().push(`${registry.host}/kept:1`)).digest, pulled.pulledDigest);
    for (const compressed of [gzipSync(tar), execFileSync("xz", ["-1c"], { input: tar, maxBuffer: 1e9 }), execFileSync("zstd", ["-c"], { input: tar, maxBuffer: 1e9 })]) assert.equal((await images().load(once(compressed))).length, 2);
    await assert.rejects(async () => { for await (const _ of images().save(["nope"])); }, (e: Error) => codeOf(e) === "NOT_FOUND");
  });

  it("stop being saved when the reader goes away, and hold nothing up", async () => {
    await images().load(dockerSave(busybox));
    for await (const _ of images().save(["busybox"])) break;
    await images().remove("busybox");
    assert.equal(blobs(), 0);
  });
});

describe("engine: images on this host", function () {
  this.timeout(60_000);
  let rig: EngineRig;
  let busybox: BaseImage;
  before(async () => { busybox = await busyboxImage(); });
  beforeEach(async () => { rig = await openEngineRig(); await rig.engine().images.load(dockerSave(busybox)); });
  afterEach(() => rig?.close());
  const images = () => rig.engine().images;
  const refused = (pattern: RegExp) => (e: Error) => { assert.equal(codeOf(e), "FAILED_PRECONDITION"); assert.match(e.message, pattern); return true; };
  const another = async (reference: string, changes: string[] = []) => images().import(once(busybox.layers[0]!), { reference, changes: [`LABEL made=${Math.random()}`, ...changes] });

  it("are named, renamed and found by unambiguous beginnings of their ids", async () => {
    const image = (await images().get("busybox"))!;
    await images().tag(image.id.slice(7, 15), "team/app:2");
    assert.deepEqual((await images().get("team/app:2"))!.references, ["docker.io/library/busybox:latest", "docker.io/team/app:2"]);
    const other = await another("team/app:2");
    assert.deepEqual((await images().get(image.id))!.references, ["docker.io/library/busybox:latest"]);
    assert.equal((await images().get("team/app:2"))!.id, other.id);
    assert.equal(await images().get("sha256:"), undefined);
    await assert.rejects(images().tag("busybox", `x@${image.id}`), (e: Error) => codeOf(e) === "INVALID_ARGUMENT" && /a digest cannot be chosen/.test(e.message));
    await assert.rejects(images().tag("nope", "x"), (e: Error) => codeOf(e) === "NOT_FOUND");
    await assert.rejects(images().tag("busybox", "UPPER:1"), (e: Error) => codeOf(e) === "INVALID_ARGUMENT");
    const seen = new Map([[image.id[7]!, image.id], [other.id[7]!, other.id]]);
    for (let i = 0; seen.size === 2 + i && i < 40; i++) { const more = await another(`n${i}:1`); if (seen.has(more.id[7]!)) { await assert.rejects(images().get(`sha256:${more.id[7]}`), (e: Error) => codeOf(e) === "INVALID_ARGUMENT" && /is the beginning of 2 image ids/.test(e.message)); return; } seen.set(more.id[7]!, more.id); }
  });

  it("tell what they are and how they came to be", async () => {
    const image = await another("told:1", ["ENV A=b"]);
    const details = await images().inspect("told:1");
    assert.deepEqual((details.raw["config"] as { Env: string[] }).Env, ["A=b"]);
    assert.equal(details.diffIds.length, 1);
    assert.ok(details.lastTaggedAtMs > 0 && details.graphDriver.name === "overlay");
    const [step] = await images().history("told:1");
    assert.deepEqual([step!.id, step!.comment, step!.tags, step!.sizeBytes > 0], [image.id, "Imported from -", ["docker.io/library/told:1"], true]);
    await assert.rejects(images().inspect("gone"), (e: Error) => codeOf(e) === "NOT_FOUND");
  });

  it("are removed by Docker's rules", async () => {
    const image = (await images().get("busybox"))!;
    await images().tag("busybox", "second:1");
    await assert.rejects(images().remove(image.id), refused(/it has 2 names \(busybox:latest, second:1\); remove them by name, or use --force/));
    assert.deepEqual(await images().remove("second:1"), { untagged: ["docker.io/library/second:1"], deleted: [] });
    const running = await rig.run("busybox", ["sleep", "1000"], { name: "busy" });
    await assert.rejects(images().remove("busybox"), refused(/container "busy" uses it; remove the container first, or use --force/));
    await assert.rejects(images().remove(image.id), refused(/container "busy" uses it and is running.*--force does not help/));
    await assert.rejects(images().remove(image.id, { force: true }), refused(/--force does not help/));
    await rig.engine().stop(running, { graceMs: 0 });
    await assert.rejects(images().remove(image.id), refused(/stopped container "busy" uses it/));
    // By force it goes from sight; the container can still be started.
    const { deleted } = await images().remove(image.id, { force: true });
    assert.ok(deleted.includes(image.id));
    assert.deepEqual(await images().list(), []);
    assert.equal(await images().get("busybox"), undefined);
    assert.equal(await images().get(image.id), undefined);
    await rig.engine().start(running);
    await rig.reopen();
    assert.equal((await rig.engine().exec(running, { command: ["true"], timeoutMs: 5_000 })).exitCode, 0);
    await rig.engine().remove(running, { force: true });
    const content = () => readdirSync(join(rig.config.stateDir, "content/sha256")).length;
    const end = Date.now() + 5_000;
    while (content() > 0 && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(content(), 0);
  });

  it("become images from containers: files, settings and changes", async () => {
    const id = await rig.run("busybox", ["sh", "-c", "echo hello > /made; rm /bin/vi; sleep 1000"], { env: ["A=1", "B=2"], labels: { own: "yes" }, workdir: "/tmp", name: "source" });
    const end = Date.now() + 10_000;
    while ((await rig.engine().exec(id, { command: ["cat", "/made"], timeoutMs: 5_000 })).output !== "hello\n" && Date.now() < end);
    const imageId = await rig.engine().commit(id, { reference: "committed:1", author: "me", message: "why", changes: ["ENV B=3 C=\"$A x\"", 'CMD ["cat", "/made"]', "ENTRYPOINT []", "EXPOSE 80", "HEALTHCHECK --interval=5s CMD true", "ONBUILD RUN x"], config: { labels: { more: "too" } } });
    const details = await images().inspect("committed:1");
    assert.equal(details.id, imageId);
    assert.deepEqual(details.config.env.slice(1), ["A=1", "B=3", "C=1 x"]);
    assert.deepEqual([details.config.cmd, details.config.workdir, details.config.labels, details.config.exposedPorts, details.config.onBuild], [["cat", "/made"], "/tmp", { own: "yes", more: "too" }, ["80/tcp"], ["RUN x"]]);
    assert.equal(details.config.health?.intervalMs, 5_000);
    assert.equal(details.raw["author"], "me");
    assert.equal(details.diffIds.length, 2);
    const history = await images().history("committed:1");
    assert.deepEqual([history[0]!.comment, history[0]!.id, history[1]!.id], ["why", imageId, (await images().get("busybox"))!.id]);
    assert.deepEqual(await rig.output(await rig.run("committed:1", [])), ["hello"]);
    assert.deepEqual(await rig.output(await rig.run("committed:1", [], { command: ["ls", "/bin/vi"] })), ["ls: /bin/vi: No such file or directory"]);
    assert.equal((await rig.engine().find(id)).isPaused, false);
    await assert.rejects(images().remove("busybox", { force: true }).then(() => images().remove((details.parent))), refused(/another image was built on it/));
    // A container that changed nothing adds no layer.
    const still = await rig.engine().commit(await rig.run("busybox", ["true"]).catch(() => rig.run(details.parent, ["true"])), {});
    assert.equal((await images().inspect(still)).diffIds.length, 1);
    await assert.rejects(rig.engine().commit(id, { changes: ["RUN x"] }), /Change "RUN x" is not valid/);
  });

  it("say what happens to them", async () => {
    const seen: EngineEvent[] = [];
    const ending = new AbortController();
    const reading = (async () => { for await (const event of rig.engine().events.stream({ signal: ending.signal })) if (event.type === "image") seen.push(event); })();
    const image = (await images().get("busybox"))!;
    await images().tag("busybox", "second:1");
    await images().remove("second:1");
    await collect(images().save(["busybox"]));
    await images().remove("busybox");
    await images().prune({});
    await new Promise((resolve) => setImmediate(resolve));
    ending.abort();
    await reading;
    assert.deepEqual(seen.map((e) => [e.action, e.actorId === image.id, e.attributes["name"]]), [["tag", true, "second:1"], ["untag", true, "second:1"], ["save", true, image.id], ["untag", true, "busybox:latest"], ["delete", true, image.id], ["prune", false, undefined]]);
  });

  it("count shared and own bytes", async () => {
    await another("sharing:1");
    await images().load(dockerSave(await demoImage(busybox)));
    const { layersBytes, images: each } = await images().usage();
    assert.equal(each.length, 3);
    assert.ok(each.every((image) => image.sharedBytes > 0));
    const demo = (await images().get("skein/demo"))!;
    const own = each.find((image) => image.id === demo.id)!;
    assert.equal(own.sharedBytes + own.uniqueBytes, demo.sizeBytes);
    assert.equal(layersBytes, demo.sizeBytes);
  });

  it("that lost their names go when they are pruned, and nothing that is used does", async () => {
    const first = await another("moving:1");
    const second = await another("moving:1", ["ENV x=y"]);
    await another("labelled:1", ["LABEL keep=yes"]);
    const user = await rig.run("busybox", ["sleep", "1000"]);
    assert.deepEqual((await images().prune({ labels: [{ name: "nothing" }] })).deleted, []);
    assert.deepEqual((await images().prune({})).deleted.filter((id) => id === first.id), [first.id]);
    assert.equal((await images().get("moving:1"))!.id, second.id);
    const all = await images().prune({ isAll: true, labels: [{ name: "keep", isNegated: true }] });
    assert.ok(all.deleted.includes(second.id) && all.untagged.includes("docker.io/library/moving:1"));
    assert.deepEqual((await images().list()).flatMap((i) => i.references).sort(), ["docker.io/library/busybox:latest", "docker.io/library/labelled:1"]);
    await rig.engine().remove(user, { force: true });
  });
});

const bcryptOfGoose = "$2b$04$eLXM3hQWMpJNLQGWAmX4weMmXwkS5L8dmfSQpyPK.oEY..qXuqexS";
