/**
 * image: pull and push of a 200 MB image (5 layers of this machine's own programs and libraries) from and to a registry on loopback.
 *
 *   npm run bench -- image
 *   npm run bench -- image --peer docker      # and the same with Debian's dockerd
 */
import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { openEngine, type Engine } from "../src/engine/index.js";
import { silentLogger, systemClock } from "../src/lib/index.js";
import { packageRoot } from "../src/rpc/index.js";
import { openDockerEngine, type DockerEngine } from "./docker-engine.js";
import { removeControlGroups } from "./skein-engine.js";
import { median, note, report } from "./report.js";

const layerCount = 5;
const imageBytes = 200_000_000;
const rounds = 5;

interface Layer { readonly tar: Buffer; readonly packed: Buffer }
interface Registry { readonly host: string; readonly storage: string; close(): Promise<void> }

const sha256 = (bytes: Buffer): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** Files of /usr, in the order of their names, until there is enough. */
async function makeLayers(): Promise<Layer[]> {
  const files = (function* walk(directory: string): Generator<string> {
    for (const entry of readdirSync(directory, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(directory, entry.name);
      if (entry.isDirectory()) yield* walk(path); else if (entry.isFile()) yield path;
    }
  })("/usr");
  const layers: Layer[] = [];
  for (let i = 0; i < layerCount; i++) {
    const tar = pack();
    const collected = (async () => { const parts: Uint8Array[] = []; for await (const part of tar as unknown as AsyncIterable<Uint8Array>) parts.push(part); return Buffer.concat(parts); })();
    for (let size = 0; size < imageBytes / layerCount;) {
      const next = files.next();
      if (next.done) throw new Error("there is not enough in /usr for a 200 MB image");
      if (statSync(next.value).size > 20_000_000) continue;
      const bytes = readFileSync(next.value);
      tar.entry({ name: `layer${i}${next.value}`, mode: 0o755, mtime: new Date(0) }, bytes);
      size += bytes.length;
    }
    tar.finalize();
    const whole = await collected;
    layers.push({ tar: whole, packed: gzipSync(whole, { level: 6 }) });
  }
  return layers;
}

async function startRegistry(inside: (command: readonly string[]) => string[] = (command) => [...command], storage?: string): Promise<Registry> {
  const directory = mkdtempSync(join(tmpdir(), "skein-bench-registry-"));
  const root = storage ?? join(directory, "data");
  mkdirSync(root, { recursive: true });
  const port = await new Promise<number>((resolve, reject) => { const server = createServer().once("error", reject).listen(0, "127.0.0.1", () => { const { port: free } = server.address() as { port: number }; server.close(() => resolve(free)); }); });
  const host = `127.0.0.1:${port}`;
  writeFileSync(join(directory, "config.yml"), ["version: 0.1", "log: { level: error }", `storage: { filesystem: { rootdirectory: ${root} } }`, `http: { addr: "${host}" }`, ""].join("\n"));
  const [command, ...args] = inside(["docker-registry", "serve", join(directory, "config.yml")]);
  const child: ChildProcess = spawn(command!, args, { stdio: "ignore" });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()).once("error", () => resolve()));
  const probe = inside(["curl", "--silent", "--fail", `http://${host}/v2/`]);
  for (let i = 0; i < 200; i++) {
    const code = await new Promise<number>((resolve) => spawn(probe[0]!, probe.slice(1), { stdio: "ignore" }).once("exit", (exit) => resolve(exit ?? 1)).once("error", () => resolve(127)));
    if (code === 0) return { host, storage: root, async close() { child.kill("SIGKILL"); await exited; rmSync(directory, { recursive: true, force: true }); } };
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  child.kill("SIGKILL");
  throw new Error("the registry did not answer within 10 s; is docker-registry (and curl) installed?");
}

async function seed(host: string, layers: readonly Layer[]): Promise<void> {
  const upload = async (bytes: Buffer) => {
    const begun = await fetch(`http://${host}/v2/bench/blobs/uploads/`, { method: "POST" });
    const location = new URL(begun.headers.get("location")!, `http://${host}`);
    location.searchParams.set("digest", sha256(bytes));
    const done = await fetch(location, { method: "PUT", headers: { "content-type": "application/octet-stream" }, body: new Uint8Array(bytes) });
    if (done.status !== 201) throw new Error(`the registry refused a layer: ${done.status}`);
  };
  const config = Buffer.from(JSON.stringify({ architecture: "amd64", os: "linux", config: { Cmd: ["true"] }, rootfs: { type: "layers", diff_ids: layers.map((layer) => sha256(layer.tar)) } }));
  for (const bytes of [config, ...layers.map((layer) => layer.packed)]) await upload(bytes);
  const mediaType = "application/vnd.docker.distribution.manifest.v2+json";
  const manifest = JSON.stringify({
    schemaVersion: 2, mediaType, config: { mediaType: "application/vnd.docker.container.image.v1+json", digest: sha256(config), size: config.length },
    layers: layers.map(({ packed }) => ({ mediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip", digest: sha256(packed), size: packed.length })),
  });
  const put = await fetch(`http://${host}/v2/bench/manifests/1`, { method: "PUT", headers: { "content-type": mediaType }, body: manifest });
  if (put.status !== 201) throw new Error(`the registry refused the manifest: ${put.status}`);
}

/** A docker-save archive: layers as they come from a build. */
async function* archive(layers: readonly Layer[], reference: string): AsyncGenerator<Uint8Array> {
  const tar = pack();
  const config = Buffer.from(JSON.stringify({ architecture: "amd64", os: "linux", config: { Cmd: ["true"], Labels: { at: String(performance.now()) } }, rootfs: { type: "layers", diff_ids: layers.map((layer) => sha256(layer.tar)) } }));
  void (async () => {
    for (const [i, layer] of layers.entries()) await new Promise((resolve) => tar.entry({ name: `${i}/layer.tar` }, layer.tar, resolve));
    tar.entry({ name: "config.json" }, config);
    tar.entry({ name: "manifest.json" }, JSON.stringify([{ Config: "config.json", RepoTags: [reference], Layers: layers.map((_, i) => `${i}/layer.tar`) }]));
    tar.finalize();
  })();
  yield* tar as unknown as AsyncIterable<Uint8Array>;
}

interface System {
  pull(reference: string): Promise<void>;
  push(reference: string): Promise<void>;
  load(reference: string): Promise<void>;
  tag(source: string, target: string): Promise<void>;
  remove(references: readonly string[]): Promise<void>;
  readonly inside?: (command: readonly string[]) => string[];
}

const timed = async (action: () => Promise<unknown>): Promise<number> => { const start = performance.now(); await action(); return performance.now() - start; };

async function measure(name: string, system: System, storage: string): Promise<Map<string, number>> {
  const times = { pull: [] as number[], again: [] as number[], built: [] as number[] };
  const source = await startRegistry(system.inside, storage);
  try {
    for (let i = 0; i < rounds + 1; i++) {
      const [there, target] = [`${source.host}/bench:1`, await startRegistry(system.inside)];
      try {
        const pull = await timed(() => system.pull(there));
        await system.tag(there, `${target.host}/bench:1`);
        const again = await timed(() => system.push(`${target.host}/bench:1`));
        await system.remove([there, `${target.host}/bench:1`]);
        if (i > 0) { times.pull.push(pull); times.again.push(again); }   // the first round warms the disk's cache
      } finally { await target.close(); }
      const fresh = await startRegistry(system.inside);
      try {
        await system.load(`${fresh.host}/built:1`);
        const built = await timed(() => system.push(`${fresh.host}/built:1`));
        await system.remove([`${fresh.host}/built:1`]);
        if (i > 0) times.built.push(built);
      } finally { await fresh.close(); }
    }
  } finally { await source.close(); }
  for (const [key, values] of Object.entries(times)) note(`  ${name} ${key}: ${values.map(Math.round).join(", ")} ms`);
  return new Map(Object.entries(times).map(([key, values]) => [key, median(values)]));
}

const skein = (engine: Engine, layers: readonly Layer[]): System => ({
  pull: async (reference) => { await engine.images.pull(reference); },
  push: async (reference) => { await engine.images.push(reference); },
  load: async (reference) => { await engine.images.load(archive(layers, reference)); },
  tag: (from, to) => engine.images.tag(from, to),
  async remove(references) { for (const reference of references) await engine.images.remove(reference); },
});

/** The API, not the client: what is measured is the daemon. */
function docker(peer: DockerEngine, layers: readonly Layer[]): System {
  const call = (method: string, path: string, body?: AsyncIterable<Uint8Array>) => new Promise<void>((resolve, reject) => {
    const sent = request({ socketPath: peer.socket, method, path, headers: { "x-registry-auth": "e30=", ...(body ? { "content-type": "application/x-tar" } : {}) } }, (answer) => {
      let last = "";
      answer.on("data", (chunk) => { last = (last + String(chunk)).slice(-4000); });
      answer.on("end", () => ((answer.statusCode ?? 500) >= 300 || last.includes('"errorDetail"') ? reject(new Error(`${method} ${path}: ${answer.statusCode} ${last}`)) : resolve()));
    }).on("error", reject);
    if (!body) return void sent.end();
    void (async () => { for await (const chunk of body) if (!sent.write(chunk)) await new Promise((drained) => sent.once("drain", drained)); sent.end(); })().catch(reject);
  });
  const split = (reference: string) => { const at = reference.lastIndexOf(":"); return [reference.slice(0, at), reference.slice(at + 1)] as const; };
  return {
    inside: peer.inside,
    pull: (reference) => { const [name, tag] = split(reference); return call("POST", `/images/create?fromImage=${encodeURIComponent(name)}&tag=${tag}`); },
    push: (reference) => { const [name, tag] = split(reference); return call("POST", `/images/${name}/push?tag=${tag}`); },
    load: (reference) => call("POST", "/images/load?quiet=1", archive(layers, reference)),
    tag: (from, to) => { const [name, tag] = split(to); return call("POST", `/images/${from}/tag?repo=${encodeURIComponent(name)}&tag=${tag}`); },
    async remove(references) { for (const reference of references) await call("DELETE", `/images/${reference}`); },
  };
}

note("making the image");
const layers = await makeLayers();
const unpacked = layers.reduce((sum, layer) => sum + layer.tar.length, 0);
const packed = layers.reduce((sum, layer) => sum + layer.packed.length, 0);
note(`  ${layerCount} layers, ${Math.round(unpacked / 1e6)} MB, ${Math.round(packed / 1e6)} MB compressed`);
const storage = mkdtempSync(join(tmpdir(), "skein-bench-images-"));
const directory = mkdtempSync(join(tmpdir(), "skein-bench-engine-"));
try {
  const seeding = await startRegistry(undefined, storage);
  try { await seed(seeding.host, layers); } finally { await seeding.close(); }
  note("skein");
  const engine = await openEngine({
    stateDir: join(directory, "state"), runDir: join(directory, "run"), cgroupParent: "/skein-bench", log: silentLogger, clock: systemClock,
    monitorPath: join(packageRoot(dirname(fileURLToPath(import.meta.url))), "dist/engine/skein-monitor"),
  });
  let ours: Map<string, number>;
  try { ours = await measure("skein", skein(engine, layers), storage); } finally { await engine.close(); }

  let peer: Map<string, number> | undefined;
  if (process.argv.includes("--peer") && process.argv[process.argv.indexOf("--peer") + 1] === "docker") {
    note("docker");
    const dockerEngine = await openDockerEngine();
    try { peer = await measure("docker", docker(dockerEngine, layers), storage); } finally { await dockerEngine.down(); }
  }
  const names: Record<string, string> = { pull: "pull", again: "push of what was pulled, to an empty registry", built: "push of what was built here, to an empty registry" };
  for (const [key, value] of ours) report({ bench: "image", case: names[key]!, metric: `${Math.round(unpacked / 1e6)} MB in ${layerCount} layers, median of ${rounds}`, value, unit: "ms", ...(peer ? { peer: "dockerd", peerValue: peer.get(key)! } : {}) });
} finally {
  rmSync(storage, { recursive: true, force: true });
  rmSync(directory, { recursive: true, force: true });
  removeControlGroups("/skein-bench");
}
