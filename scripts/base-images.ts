// Base images without the internet, from Debian's busybox-static: busybox:latest and skein/demo:latest as docker-save tars.
// The same busybox gives the same bytes: fixed times, owners and order. For clients' own suites, which expect certain names, also alpine (the same
// busybox), hello-world, and debian and ubuntu (one system made by debootstrap from Debian's mirror).
//   scripts/base-images [--clients] [DIRECTORY]     default .cache/images
import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { createWriteStream, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { packageRoot } from "../src/rpc/index.js";
import { pack, type Header, type Pack } from "tar-stream";

const epoch = new Date(0);

export interface BaseImage { readonly reference: string; /** Further names. */ readonly aliases?: readonly string[]; readonly layers: readonly Buffer[]; readonly config: object }

/** A whole small root filesystem: every applet as a link to one static binary. */
export async function busyboxImage(): Promise<BaseImage> {
  const path = ["/bin/busybox", "/usr/bin/busybox"].find((p) => existsSync(p));
  if (!path) throw new Error("Cannot make the base images: busybox is not installed; install it with: apt-get install busybox-static");
  const applets = execFileSync(path, ["--list-full"], { encoding: "utf8" }).trim().split("\n").map((a) => a.replace(/^\//, "")).sort();
  const layer = await tarOf((tar) => {
    for (const directory of ["bin", "dev", "etc", "home", "lib", "proc", "root", "run", "sbin", "sys", "tmp", "usr", "usr/bin", "usr/sbin", "var", "var/log", "var/spool", "var/tmp", "var/www"]) {
      add(tar, { name: `${directory}/`, type: "directory", mode: directory.endsWith("tmp") ? 0o1777 : directory === "root" ? 0o700 : 0o755 });
    }
    add(tar, { name: "bin/busybox", mode: 0o755 }, readFileSync(path));
    for (const applet of applets.filter((a) => a !== "bin/busybox" && !a.startsWith("linuxrc"))) add(tar, { name: applet, type: "symlink", linkname: "/bin/busybox", mode: 0o777 });
    add(tar, { name: "etc/passwd" }, "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\nwww-data:x:33:33:www-data:/var/www:/bin/false\nnobody:x:65534:65534:nobody:/home:/bin/false\n");
    add(tar, { name: "etc/group" }, "root:x:0:\ndaemon:x:1:\ntty:x:5:\nwww-data:x:33:\nusers:x:100:\nnogroup:x:65534:\n");
    add(tar, { name: "etc/shadow", mode: 0o600 }, "root:*:::::::\ndaemon:*:::::::\nwww-data:*:::::::\nnobody:*:::::::\n");
    add(tar, { name: "etc/nsswitch.conf" }, "passwd: files\ngroup: files\nhosts: files dns\n");
  });
  return { reference: "busybox:latest", layers: [layer], config: { Cmd: ["sh"], Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"] } };
}

/** A web service on port 8080 that says who answers: busybox httpd with one CGI program. SKEIN_TASK and SKEIN_NODE are shown if they are set. */
export function demoImage(base: BaseImage): Promise<BaseImage> {
  const page = `#!/bin/sh
printf 'Content-Type: text/html\\r\\n\\r\\n'
host=$(cat /etc/hostname)
cat <<HTML
<!doctype html><meta charset="utf-8"><title>Skein demo on $host</title>
<style>body{font:18px/1.5 system-ui,sans-serif;max-width:36em;margin:4em auto;padding:0 1em}dt{color:#666}dd{margin:0 0 .6em;font-weight:600}</style>
<h1>Skein demo</h1>
<dl><dt>container</dt><dd>$host</dd><dt>task</dt><dd>\${SKEIN_TASK:--}</dd><dt>node</dt><dd>\${SKEIN_NODE:--}</dd><dt>you</dt><dd>\${REMOTE_ADDR:--}</dd></dl>
HTML
`;
  const plain = `#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
echo "hostname: $(cat /etc/hostname)"
echo "task: \${SKEIN_TASK:--}"
echo "node: \${SKEIN_NODE:--}"
`;
  return tarOf((tar) => {
    for (const directory of ["srv", "srv/www", "srv/www/cgi-bin"]) add(tar, { name: `${directory}/`, type: "directory", mode: 0o755 });
    // httpd answers / with cgi-bin/index.cgi when there is no index.html.
    add(tar, { name: "srv/www/cgi-bin/index.cgi", mode: 0o755 }, page);
    add(tar, { name: "srv/www/cgi-bin/whoami", mode: 0o755 }, plain);
    add(tar, { name: "srv/www/health" }, "ok\n");
  }).then((layer) => ({
    reference: "skein/demo:latest", layers: [...base.layers, layer],
    config: { Cmd: ["httpd", "-f", "-p", "8080", "-h", "/srv/www"], Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], ExposedPorts: { "8080/tcp": {} }, StopSignal: "SIGKILL" },
  }));
}

/** What suites call alpine: here busybox too, which has the same applets. */
export const alpineImage = (base: BaseImage): BaseImage => ({ ...base, reference: "alpine:latest", aliases: ["alpine:3"], config: { ...base.config, Cmd: ["/bin/sh"] } });

/** One static program that greets. */
export async function helloImage(): Promise<BaseImage> {
  const directory = mkdtempSync(join(tmpdir(), "skein-hello-"));
  try {
    writeFileSync(join(directory, "hello.c"), '#include <unistd.h>\nint main(void) { static const char text[] = "Hello from Docker!\\nThis container was run by Skein.\\n"; return write(1, text, sizeof text - 1) < 0; }\n');
    execFileSync("gcc", ["-Os", "-static", "-s", "-o", join(directory, "hello"), join(directory, "hello.c")]);
    const layer = await tarOf((tar) => add(tar, { name: "hello", mode: 0o755 }, readFileSync(join(directory, "hello"))));
    return { reference: "hello-world:latest", layers: [layer], config: { Cmd: ["/hello"], Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"] } };
  } finally { rmSync(directory, { recursive: true, force: true }); }
}

/** A small Debian, from the mirror that this host's apt uses; suites take it for Ubuntu as well. */
export async function debianImage(): Promise<BaseImage> {
  const directory = mkdtempSync(join(tmpdir(), "skein-debian-"));
  try {
    execFileSync("debootstrap", ["--variant=minbase", "--include=procps,iproute2", "bookworm", join(directory, "root"), debianMirror()], { stdio: ["ignore", "ignore", "inherit"], maxBuffer: 64 << 20 });
    const archive = join(directory, "root.tar");
    execFileSync("tar", ["--create", `--file=${archive}`, `--directory=${join(directory, "root")}`, "--sort=name", "--numeric-owner", "--xattrs", "--exclude=./var/cache/apt/*", "--exclude=./var/lib/apt/lists/*",
      "--exclude=./usr/share/doc/*", "--exclude=./usr/share/man/*", "--exclude=./usr/share/locale/*", "--exclude=./dev/*", "."]);
    return {
      reference: "debian:latest", aliases: ["debian:bookworm", "ubuntu:latest", "ubuntu:14.04"], layers: [readFileSync(archive)],
      config: { Cmd: ["bash"], Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"] },
    };
  } finally { rmSync(directory, { recursive: true, force: true }); }
}

function debianMirror(): string {
  for (const path of ["/etc/apt/sources.list", "/etc/apt/sources.list.d/debian.sources"]) {
    const found = existsSync(path) ? /^(?:deb (?:\[[^\]]*\] )?|URIs: )(\S+)/m.exec(readFileSync(path, "utf8"))?.[1] : undefined;
    if (found) return found;
  }
  return "http://deb.debian.org/debian";
}

/** The image as `docker save` would write it. */
export function dockerSave(image: BaseImage): AsyncIterable<Uint8Array> {
  const sha = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
  const config = Buffer.from(JSON.stringify({
    architecture: { x64: "amd64" }[process.arch as string] ?? process.arch, os: "linux", created: epoch.toISOString(), config: image.config,
    rootfs: { type: "layers", diff_ids: image.layers.map((l) => `sha256:${sha(l)}`) }, history: image.layers.map(() => ({ created: epoch.toISOString(), created_by: "scripts/base-images" })),
  }));
  const tar = pack();
  add(tar, { name: `${sha(config)}.json` }, config);
  for (const layer of image.layers) add(tar, { name: `${sha(layer)}/layer.tar` }, layer);
  add(tar, { name: "manifest.json" }, JSON.stringify([{ Config: `${sha(config)}.json`, RepoTags: [image.reference, ...image.aliases ?? []], Layers: image.layers.map((l) => `${sha(l)}/layer.tar`) }]));
  tar.finalize();
  return tar as unknown as AsyncIterable<Uint8Array>;
}

function add(tar: Pack, header: Partial<Header> & { name: string }, content?: Buffer | string): void {
  tar.entry({ uid: 0, gid: 0, uname: "", gname: "", mtime: epoch, mode: 0o644, ...header }, content ?? "");
}

async function tarOf(fill: (tar: Pack) => void): Promise<Buffer> {
  const tar = pack();
  fill(tar);
  tar.finalize();
  const parts: Buffer[] = [];
  for await (const part of tar) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

/** Writes them as NAME.tar, each whole or not at all. */
export async function writeImages(directory: string, images: Readonly<Record<string, () => Promise<BaseImage>>>): Promise<void> {
  mkdirSync(directory, { recursive: true });
  for (const [name, make] of Object.entries(images)) {
    const path = join(directory, `${name}.tar`);
    const image = await make();
    await pipeline(Readable.from(dockerSave(image)), createWriteStream(`${path}.new`));
    renameSync(`${path}.new`, path);
    console.log(`${image.reference} ${path}`);
  }
}

/** By file name; those that `npm run up` and the stories need, and those that clients' suites expect. */
export const baseImages = { busybox: busyboxImage, demo: async () => demoImage(await busyboxImage()) };
export const clientImages = { alpine: async () => alpineImage(await busyboxImage()), "hello-world": helloImage, debian: debianImage };

async function main(): Promise<void> {
  const words = process.argv.slice(2).filter((word) => word !== "--clients");
  await writeImages(resolve(words[0] ?? join(packageRoot(fileURLToPath(import.meta.url)), ".cache/images")), { ...baseImages, ...(process.argv.includes("--clients") ? clientImages : {}) });
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  main().catch((error: Error) => { console.error(error.message); process.exitCode = 1; });
}
