import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { waitFor } from "../../lib/testing.js";

export interface TestRegistry { readonly host: string; readonly storage: string; close(): Promise<void> }
export interface TestImage { readonly layers: readonly Buffer[]; readonly config: object }

/** Debian's docker-registry on a free loopback port, with a directory of its own; with `htpasswd`, it wants basic authentication. */
export async function startRegistry(options: { htpasswd?: string } = {}): Promise<TestRegistry> {
  const directory = mkdtempSync(join(tmpdir(), "skein-registry-"));
  const storage = join(directory, "data");
  mkdirSync(storage);
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  if (options.htpasswd) writeFileSync(join(directory, "htpasswd"), options.htpasswd);
  writeFileSync(join(directory, "config.yml"), [
    "version: 0.1", "log: { level: error }", `storage: { filesystem: { rootdirectory: ${storage} } }`, `http: { addr: "${host}" }`,
    ...(options.htpasswd ? [`auth: { htpasswd: { realm: test, path: ${join(directory, "htpasswd")} } }`] : []), "",
  ].join("\n"));
  const child: ChildProcess = spawn("docker-registry", ["serve", join(directory, "config.yml")], { stdio: "ignore" });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()).once("error", () => resolve()));
  const close = async () => { child.kill("SIGKILL"); await exited; rmSync(directory, { recursive: true, force: true }); };
  try { await waitFor("the registry to answer", async () => (await fetch(`http://${host}/v2/`)).status > 0); } catch (error) { await close(); throw error; }
  return { host, storage, close };
}

export interface Pushed { readonly manifestDigest: string; readonly configDigest: string; readonly layerDigests: readonly string[] }

/** The push side of the distribution protocol, as small as it gets: gzip layers and an OCI manifest. */
export async function pushImage(host: string, repository: string, tag: string, image: TestImage, authorization?: string): Promise<Pushed> {
  const headers: Record<string, string> = authorization ? { authorization } : {};
  const upload = async (bytes: Buffer): Promise<string> => {
    const digest = sha256(bytes);
    const begun = await fetch(`http://${host}/v2/${repository}/blobs/uploads/`, { method: "POST", headers });
    const location = new URL(begun.headers.get("location")!, `http://${host}`);
    location.searchParams.set("digest", digest);
    const done = await fetch(location, { method: "PUT", headers: { ...headers, "content-type": "application/octet-stream" }, body: new Uint8Array(bytes) });
    if (done.status !== 201) throw new Error(`upload failed: ${done.status} ${await done.text()}`);
    return digest;
  };
  const config = Buffer.from(JSON.stringify({ architecture: "amd64", os: "linux", created: new Date(0).toISOString(), config: image.config, rootfs: { type: "layers", diff_ids: image.layers.map(sha256) } }));
  const packed = image.layers.map((layer) => gzipSync(layer));
  const layerDigests = await Promise.all(packed.map(upload));
  const configDigest = await upload(config);
  const manifestType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = Buffer.from(JSON.stringify({
    schemaVersion: 2, mediaType: manifestType, config: { mediaType: "application/vnd.oci.image.config.v1+json", digest: configDigest, size: config.length },
    layers: packed.map((bytes, i) => ({ mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest: layerDigests[i], size: bytes.length })),
  }));
  const put = async (reference: string, type: string, bytes: Buffer) => {
    const response = await fetch(`http://${host}/v2/${repository}/manifests/${reference}`, { method: "PUT", headers: { ...headers, "content-type": type }, body: new Uint8Array(bytes) });
    if (response.status !== 201) throw new Error(`manifest refused: ${response.status} ${await response.text()}`);
  };
  await put(tag, manifestType, manifest);
  const indexType = "application/vnd.oci.image.index.v1+json";
  const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests: [{ mediaType: manifestType, digest: sha256(manifest), size: manifest.length, platform: { os: "linux", architecture: "amd64" } }] }));
  await put(`${tag}-index`, indexType, index);
  return { manifestDigest: sha256(manifest), configDigest, layerDigests };
}

export const sha256 = (bytes: Buffer): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject).listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
