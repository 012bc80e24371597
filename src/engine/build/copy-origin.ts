import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { lstat, readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { SwarmError } from "../../lib/index.js";
import { resolveInRoot } from "../containers/root-path.js";
import { ProgramFailure, outputOf } from "../runtime/program-streams.js";
import type { IgnoreRules } from "./core/ignore.js";
import { cleanPath, partsBelowRoot } from "./core/paths.js";
import { compilePattern, hasWildcards, unescapePattern } from "./core/path-pattern.js";
import { contentOf, resolveNode, type DirectoryNode, type TreeNode } from "./file-tree.js";
import { plainEntry, readTar, type TarEntry } from "./tar-records.js";

/** Where COPY and ADD take files from: the context, or the root of a stage or an image. */
export interface CopyOrigin {
  /** What a pattern names; sorted; at least one. */
  match(pattern: string): Promise<Match[]>;
  /** The match itself (path "") and all below it. */
  entries(match: Match): AsyncIterable<OriginEntry>;
}
export interface Match { readonly path: string; readonly name: string; readonly isDirectory: boolean; readonly sizeBytes: number }
export interface OriginEntry {
  /** Relative to the match; "" is itself. */
  readonly path: string;
  /** Its name does not count; a hard link's linkName is relative to the match as well. */
  readonly entry: TarEntry;
  readonly content: AsyncIterable<Buffer>;
  /** Of a file's content, if it is known without reading it. */
  readonly sha256: string | undefined;
}

const failed = (why: string): never => { throw new SwarmError("INVALID_ARGUMENT", `COPY failed: ${why}`); };
const missing = (path: string, where: string): never => failed(`${where}: stat ${path}: file does not exist`);

export class TreeOrigin implements CopyOrigin {
  constructor(private readonly root: DirectoryNode) {}

  async match(pattern: string): Promise<Match[]> {
    const clean = cleanPath(pattern.replace(/^\/+/, ""));
    if (clean === ".." || clean.startsWith("../")) return failed(`forbidden path outside the build context: ${pattern} ()`);
    return expand(clean, async (path) => {
      const found = resolveNode(this.root, path);
      return found && { path: found.path, isDirectory: found.node.kind === "directory", sizeBytes: found.node.kind === "file" ? found.node.content.sizeBytes : 0 };
    }, async (path) => {
      const found = resolveNode(this.root, path);
      return found?.node.kind === "directory" ? [...found.node.children.keys()].sort() : [];
    }, "file not found in build context or excluded by .dockerignore");
  }

  async *entries(match: Match): AsyncGenerator<OriginEntry> { yield* walk(resolveNode(this.root, match.path)!.node, ""); }
}

/** One file that comes with the instruction (heredocs, downloads). */
export class FileOrigin implements CopyOrigin {
  constructor(private readonly name: string, private readonly node: TreeNode) {}
  async match(): Promise<Match[]> { return [{ path: this.name, name: this.name, isDirectory: false, sizeBytes: this.node.kind === "file" ? this.node.content.sizeBytes : 0 }]; }
  async *entries(): AsyncGenerator<OriginEntry> { yield* walk(this.node, ""); }
}

/** An archive, unpacked: a directory. */
export class ArchiveOrigin implements CopyOrigin {
  constructor(private readonly name: string, private readonly open: () => AsyncIterable<Uint8Array>) {}
  async match(): Promise<Match[]> { return [{ path: this.name, name: this.name, isDirectory: true, sizeBytes: 0 }]; }

  async *entries(): AsyncGenerator<OriginEntry> {
    const inside = (name: string): string => {
      const clean = cleanPath(name.replace(/^\/+/, ""));
      if (clean === ".." || clean.startsWith("../")) throw new SwarmError("INVALID_ARGUMENT", `ADD failed: "${name.slice(0, 200)}" in archive "${this.name}" leads outside of it`);
      return clean === "." ? "" : clean;
    };
    for await (const { entry, content } of readTar(this.open())) {
      yield { path: inside(entry.name), entry: entry.type === "hardlink" ? { ...entry, linkName: inside(entry.linkName) } : entry, content, sha256: undefined };
    }
  }
}

/**
 * What every root gets when it is mounted, whatever its image holds (monitor/layers-view.c): empty files and directories to mount on. Left out, no
 * image lacks anything: its containers get them again.
 */
const containerPlaces = new Map<string, TarEntry["type"]>([
  ["dev", "directory"], ["dev/pts", "directory"], ["dev/shm", "directory"], ["dev/console", "file"], ["proc", "directory"], ["sys", "directory"], ["etc", "directory"], ["etc/resolv.conf", "file"], ["etc/hosts", "file"], ["etc/hostname", "file"], ["etc/mtab", "symlink"], [".dockerenv", "file"],
]);

/** A mounted root in which nothing runs. */
export class DirectoryOrigin implements CopyOrigin {
  constructor(private readonly root: string) {}

  match(pattern: string): Promise<Match[]> {
    const stat = async (path: string) => {
      const real = await resolveInRoot(this.root, path);
      const status = await lstat(real).catch(() => undefined);
      return status && { path: real.slice(this.root.length).replace(/^\/+/, ""), isDirectory: status.isDirectory(), sizeBytes: status.isFile() ? status.size : 0 };
    };
    return expand(partsBelowRoot(pattern).join("/") || ".", stat, async (path) => {
      const real = await resolveInRoot(this.root, path);
      return (await readdir(real).catch(() => [])).sort();
    }, "file not found in the source");
  }

  async *entries(match: Match): AsyncGenerator<OriginEntry> {
    const path = join(this.root, match.path);
    const [directory, name] = match.isDirectory ? [path, "."] : [dirname(path), basename(path)];
    const inside = (text: string): string => (match.isDirectory ? text.replace(/^\.\/?/, "").replace(/\/$/, "") : "");
    const hasEtc = match.isDirectory && (await readdir(join(this.root, "etc")).catch(() => [])).some((each) => !containerPlaces.has(`etc/${each}`));
    for await (const { entry, content } of readTar(archive(directory, name))) {
      const below = inside(entry.name);
      const place = containerPlaces.get(match.path === "" ? below : `${match.path}/${below}`);
      if (below !== "" && place === entry.type && entry.sizeBytes === 0 && !(hasEtc && below.endsWith("etc"))) continue;
      yield { path: below, entry: entry.type === "hardlink" ? { ...entry, linkName: inside(entry.linkName) } : entry, content, sha256: undefined };
    }
  }
}

/** What the files are, without when they were changed. Order matters; directories come before what is in them. */
export class ContentHash {
  #hash = createHash("sha256");
  #files = 0;
  #hasDirectories = false;

  /** `withOwner`: owners are copied as well. */
  add(at: string, entry: TarEntry, sha256: string, withOwner: boolean): void {
    if (entry.type === "directory") this.#hasDirectories = true; else this.#files++;
    const attributes = [...entry.xattrs].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => [key, value.toString("hex")]);
    this.#hash.update(`${JSON.stringify([at, entry.type, entry.mode, withOwner ? [entry.uid, entry.gid] : 0, entry.linkName, entry.type === "file" ? entry.sizeBytes : 0, entry.deviceMajor, entry.deviceMinor, sha256, attributes])}\n`);
  }
  /** As the classic builder writes it into the history. */
  digest(): string { return `${this.#hasDirectories ? "dir" : this.#files > 1 ? "multi" : "file"}:${this.#hash.digest("hex")}`; }
}

export async function contentDigest(origins: readonly { readonly origin: CopyOrigin; readonly matches: readonly Match[] }[], ignore: IgnoreRules): Promise<string> {
  const content = new ContentHash();
  for (const { origin, matches } of origins) for (const match of matches) {
    for await (const { path, entry, content: bytes, sha256 } of origin.entries(match)) {
      if (path !== "" && ignore.ignores(path)) continue;
      content.add(`${match.name}\0${path}`, entry, sha256 ?? await sha256Of(bytes), false);
    }
  }
  return content.digest();
}

async function sha256Of(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  for await (const part of bytes) hash.update(part);
  return hash.digest("hex");
}

async function* walk(node: TreeNode, path: string): AsyncGenerator<OriginEntry> {
  const { mtimeSeconds } = node;
  switch (node.kind) {
    case "file": yield { path, entry: plainEntry({ name: "", type: "file", mode: node.mode, mtimeSeconds, sizeBytes: node.content.sizeBytes }), content: contentOf(node.content), sha256: node.content.sha256 }; break;
    case "link": yield { path, entry: plainEntry({ name: "", type: "symlink", mode: 0o777, mtimeSeconds, linkName: node.target }), content: none(), sha256: "" }; break;
    case "directory":
      yield { path, entry: plainEntry({ name: "", type: "directory", mode: node.mode, mtimeSeconds }), content: none(), sha256: "" };
      for (const [name, child] of [...node.children].sort(([a], [b]) => (a < b ? -1 : 1))) yield* walk(child, path === "" ? name : `${path}/${name}`);
  }
}

async function* none(): AsyncGenerator<Buffer> { /* no content */ }

type Found = { readonly path: string; readonly isDirectory: boolean; readonly sizeBytes: number } | undefined;

/** filepath.Match part by part, so that only directories are listed that can hold a match. */
async function expand(pattern: string, stat: (path: string) => Promise<Found>, list: (path: string) => Promise<string[]>, absent: string): Promise<Match[]> {
  // What a link leads to is copied under the link's name.
  const named = (path: string, found: NonNullable<Found>): Match => ({ ...found, name: path.split("/").at(-1)! });
  if (!hasWildcards(pattern)) {
    const path = unescapePattern(pattern);
    const found = await stat(path) ?? missing(path, absent);
    return [named(path, found)];
  }
  let paths = [""];
  for (const part of pattern.split("/")) {
    const next: string[] = [];
    for (const path of paths) {
      if (!hasWildcards(part)) { next.push(join(path, unescapePattern(part))); continue; }
      const compiled = compilePattern(part, false);
      for (const name of await list(path)) if (compiled.matches(name)) next.push(join(path, name));
    }
    paths = next;
  }
  const matches: Match[] = [];
  for (const path of paths) { const found = await stat(path); if (found) matches.push(named(path, found)); }
  if (matches.length === 0) failed(`no source files were specified: nothing fits "${pattern}"`);
  return matches;
}

async function* archive(directory: string, name: string): AsyncGenerator<Uint8Array> {
  const tar = spawn("tar", ["--create", "--file=-", "--format=pax", "--pax-option=delete=atime,delete=ctime", "--xattrs", "--xattrs-include=*", "--numeric-owner", "--sort=name", `--directory=${directory}`, "--", name === "." ? "." : `./${name}`], { stdio: ["ignore", "pipe", "pipe"] });
  try { yield* outputOf(tar, "COPY failed: the files cannot be read"); } catch (error) {
    // 1: a socket was left out, say; what can be archived is.
    if (!(error instanceof ProgramFailure) || error.exitCode !== 1) throw error;
  }
}
