import { spawn } from "node:child_process";
import { lstat, mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, posix, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { SwarmError, codeOf, messageOf } from "../../../lib/index.js";
import type { Command } from "../../command.js";
import type { DockerClient } from "../../docker/client.js";
import { nodeFlag } from "../../docker/container-flags.js";
import { packPath } from "../../docker/pack.js";

export default {
  usage: "[OPTIONS] CONTAINER:PATH|PATH|- CONTAINER:PATH|PATH|-",
  about: "Copies files between a container and this host; \"-\" is a tar on standard input or output.",
  args: { min: 2 },
  flags: [{ name: "archive", short: "a", kind: "switch", help: "Keep owners" }, nodeFlag],
  examples: [["swarmctl cp web:/etc/nginx/nginx.conf .", "Out of a container"], ["swarmctl cp --node w1 ./site web:/srv", "Into one on the node w1"]],
  async run({ flags, args: [from, to], connection, terminal }) {
    const client = connection.docker(flags.text("node"));
    const source = placeOf(from!);
    const target = placeOf(to!);
    if (!source.container === !target.container) throw new SwarmError("INVALID_ARGUMENT", "Exactly one of the two places must be in a container: write CONTAINER:PATH.");
    if (target.container) await copyIn(client, source.path, target as Inside, flags.on("archive"), terminal.input);
    else await copyOut(client, source as Inside, target.path, flags.on("archive"), terminal);
  },
} satisfies Command as Command;

interface Place { readonly container?: string; readonly path: string }
type Inside = Required<Place>;

/** "web:/etc" is in a container; "./a:b", "/a:b" and "-" are here. */
function placeOf(text: string): Place {
  const match = /^([a-zA-Z0-9][\w.-]*):(.*)$/s.exec(text);
  return match ? { container: encodeURIComponent(match[1]!), path: match[2] || "/" } : { path: text };
}

interface RemoteStat { readonly name: string; readonly mode: number; readonly linkTarget: string }
const goDirectory = 2 ** 31;

async function remoteStat(client: DockerClient, { container, path }: Inside): Promise<(RemoteStat & { isDirectory: boolean }) | undefined> {
  try {
    const response = await client.stream("HEAD", `/containers/${container}/archive`, { query: { path } });
    response.resume();
    const status = JSON.parse(Buffer.from(String(response.headers["x-docker-container-path-stat"]), "base64").toString("utf8")) as RemoteStat;
    return { ...status, isDirectory: status.mode >= goDirectory };
  } catch (error) {
    // An answer to HEAD has no words: whoever is asked again has.
    if (codeOf(error) !== "NOT_FOUND") (await client.stream("GET", `/containers/${container}/archive`, { query: { path } })).destroy();
    await client.json("GET", `/containers/${container}/json`);
    return undefined;
  }
}

async function copyIn(client: DockerClient, path: string, target: Inside, isArchive: boolean, input: NodeJS.ReadableStream): Promise<void> {
  const put = async (directory: string, tar: AsyncIterable<Uint8Array>) => {
    const response = await client.upload("PUT", `/containers/${target.container}/archive`, tar, { query: { path: directory, noOverwriteDirNonDir: true, copyUIDGID: isArchive } });
    response.resume();
  };
  if (path === "-") return put(target.path, input as AsyncIterable<Uint8Array>);
  const here = await stat(path).catch((error: unknown) => { throw new SwarmError("NOT_FOUND", `Cannot copy "${path}": ${messageOf(error)}.`, { cause: error }); });
  const there = await remoteStat(client, target);
  if (there?.isDirectory) return put(target.path, packPath(path, path.endsWith("/.") ? "" : basename(resolve(path))));
  if (there && here.isDirectory()) throw new SwarmError("FAILED_PRECONDITION", `Cannot copy the directory "${path}" to "${target.path}": that is a file.`);
  if (!there && target.path.endsWith("/") && !here.isDirectory()) throw new SwarmError("NOT_FOUND", `Cannot copy to "${target.path}": there is no such directory in the container.`);
  const name = posix.normalize(target.path).replace(/\/$/, "");
  await put(posix.dirname(name), packPath(path, posix.basename(name)));
}

async function copyOut(client: DockerClient, source: Inside, path: string, isArchive: boolean, terminal: { write(to: "out", bytes: Uint8Array): Promise<void> }): Promise<void> {
  const response = await client.stream("GET", `/containers/${source.container}/archive`, { query: { path: source.path } });
  if (path === "-") { for await (const part of response) await terminal.write("out", part as Uint8Array); return; }
  const here = await stat(path).catch(() => undefined);
  const directory = here?.isDirectory() ? path : dirname(resolve(path));
  if (!here && path.endsWith("/")) throw new SwarmError("NOT_FOUND", `Cannot copy to "${path}": there is no such directory.`);
  // Beside its place first, then moved: half a copy is never under the final name.
  const staging = await mkdtemp(join(directory, ".swarmctl-cp-")).catch((error: unknown) => { throw new SwarmError("NOT_FOUND", `Cannot copy to "${path}": ${messageOf(error)}.`, { cause: error }); });
  try {
    await unpack(response, staging, isArchive);
    for (const name of await readdir(staging)) {
      const isContents = source.path.endsWith("/.");
      if (here?.isDirectory() || isContents) await moveInto(join(staging, name), isContents && !here?.isDirectory() ? path : isContents ? path : join(path, name));
      else if (here && (await lstat(join(staging, name))).isDirectory()) throw new SwarmError("FAILED_PRECONDITION", `Cannot copy the directory "${source.path}" to "${path}": that is a file.`);
      else await rename(join(staging, name), path);
    }
  } finally { await rm(staging, { recursive: true, force: true }); }
}

/** A directory that is there already takes the new one's contents. */
async function moveInto(from: string, to: string): Promise<void> {
  const [source, target] = [await lstat(from), await lstat(to).catch(() => undefined)];
  if (!source.isDirectory() || !target?.isDirectory()) { await rename(from, to); return; }
  for (const name of await readdir(from)) await moveInto(join(from, name), join(to, name));
}

async function unpack(source: NodeJS.ReadableStream, directory: string, isArchive: boolean): Promise<void> {
  const tar = spawn("tar", ["--extract", "--file=-", `--directory=${directory}`, isArchive ? "--same-owner" : "--no-same-owner", "--warning=no-timestamp"], { stdio: ["pipe", "ignore", "pipe"] });
  let complaint = "";
  tar.stderr.on("data", (text) => { complaint = (complaint + String(text)).slice(0, 2_000); });
  const ended = new Promise<number>((done, fail) => { tar.on("error", fail); tar.on("close", (code) => done(code ?? 1)); });
  await pipeline(source, tar.stdin).catch((error: NodeJS.ErrnoException) => { if (error.code !== "EPIPE") throw error; });
  if (await ended !== 0) throw new SwarmError("INTERNAL", `Cannot unpack the copy: ${complaint.trim().split("\n")[0]}`);
}
