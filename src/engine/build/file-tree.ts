import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { SwarmError } from "../../lib/index.js";
import type { IgnoreRules } from "./core/ignore.js";
import { cleanPath, partsBelowRoot } from "./core/paths.js";
import { readTar } from "./tar-records.js";

/**
 * A build context as a tree in memory: no name of the archive ever becomes a path on this host, so none can lead outside. Contents lie in
 * memory while they are small, else in numbered files of a private directory.
 */
export type TreeNode =
  | { readonly kind: "directory"; mode: number; mtimeSeconds: number; readonly children: Map<string, TreeNode> }
  | { readonly kind: "file"; readonly mode: number; readonly mtimeSeconds: number; readonly content: FileContent }
  | { readonly kind: "link"; readonly mtimeSeconds: number; readonly target: string };
export type DirectoryNode = Extract<TreeNode, { kind: "directory" }>;
export interface FileContent { readonly sizeBytes: number; readonly sha256: string; readonly at: Buffer | string }

const inMemoryFileBytes = 64 * 1024;
const inMemoryBytes = 32 * 1024 * 1024;
const entriesMax = 1_000_000;
const namesMaxBytes = 128 * 1024 * 1024;   // with the targets of links: they are all held in memory
const linksMax = 255;

export interface ContextLimits { readonly totalBytes: number }

const refuse = (why: string): never => { throw new SwarmError("INVALID_ARGUMENT", `Cannot read the build context: ${why}`); };

/** Reads a tar into a tree. `directory` is empty and private; whoever made it deletes it. */
export async function readContext(tar: AsyncIterable<Uint8Array>, directory: string, limits: ContextLimits, signal: AbortSignal): Promise<DirectoryNode> {
  const root = emptyDirectory();
  const store = new ContentStore(directory, limits.totalBytes);
  let entries = 0;
  let namesBytes = 0;
  for await (const { entry, content } of readTar(tar)) {
    signal.throwIfAborted();
    if (++entries > entriesMax) refuse(`it has more than ${entriesMax} entries`);
    namesBytes += entry.name.length + entry.linkName.length;
    if (namesBytes > namesMaxBytes) refuse(`the names of its entries have more than ${namesMaxBytes >> 20} MiB together; what the build does not need can be named in .dockerignore`);
    const clean = cleanPath(entry.name.replace(/^\/+/, ""));
    if (clean === ".." || clean.startsWith("../")) refuse(`its entry "${entry.name.slice(0, 200)}" leads outside of it`);
    if (clean === ".") { if (entry.type === "directory") { root.mode = entry.mode; root.mtimeSeconds = entry.mtimeSeconds; } continue; }
    const parts = clean.split("/");
    const name = parts.pop()!;
    const parent = parentFor(root, parts, entry.name);
    const { mode, mtimeSeconds } = entry;
    switch (entry.type) {
      case "directory": {
        const present = parent.children.get(name);
        if (present?.kind === "directory") { present.mode = mode; present.mtimeSeconds = mtimeSeconds; } else parent.children.set(name, { ...emptyDirectory(), mode, mtimeSeconds });
        break;
      }
      case "file": parent.children.set(name, { kind: "file", mode, mtimeSeconds, content: await store.put(content, entry.sizeBytes) }); break;
      case "symlink": parent.children.set(name, { kind: "link", mtimeSeconds, target: entry.linkName }); break;
      case "hardlink": {
        const target = nodeAt(root, cleanPath(entry.linkName.replace(/^\/+/, "")).split("/"));
        if (target?.kind !== "file") refuse(`its entry "${entry.name.slice(0, 200)}" is a hard link to "${entry.linkName.slice(0, 200)}", which is no file of the context`);
        parent.children.set(name, target!);
        break;
      }
      default: refuse(`its entry "${entry.name.slice(0, 200)}" is a ${entry.type === "fifo" ? "named pipe" : "device"}; a context holds files, directories and links`);
    }
  }
  return root;
}

export const emptyDirectory = (): DirectoryNode => ({ kind: "directory", mode: 0o755, mtimeSeconds: 0, children: new Map() });
export const fileNode = (content: Buffer, mode = 0o644): TreeNode => ({ kind: "file", mode, mtimeSeconds: 0, content: { sizeBytes: content.length, sha256: createHash("sha256").update(content).digest("hex"), at: content } });

/** Takes away what is ignored; a directory stays while something in it does. */
export function prune(directory: DirectoryNode, rules: IgnoreRules, below = ""): void {
  for (const [name, node] of directory.children) {
    const path = below === "" ? name : `${below}/${name}`;
    const isIgnored = rules.ignores(path);
    if (node.kind !== "directory") { if (isIgnored) directory.children.delete(name); continue; }
    if (isIgnored && !rules.hasExceptions) { directory.children.delete(name); continue; }
    prune(node, rules, path);
    if (isIgnored && node.children.size === 0) directory.children.delete(name);
  }
}

/** Where a path leads, symbolic links followed as in a root of their own. */
export function resolveNode(root: DirectoryNode, path: string): { readonly node: TreeNode; readonly path: string } | undefined {
  let rest = partsBelowRoot(path);
  let trail: { readonly node: DirectoryNode; readonly name: string }[] = [];
  let at: TreeNode = root;
  for (let links = 0; rest.length > 0;) {
    const [part, ...after] = rest as [string, ...string[]];
    rest = after;
    if (part === "" || part === ".") continue;
    if (part === "..") { at = trail.pop()?.node ?? root; continue; }
    if (at.kind !== "directory") return undefined;
    const child: TreeNode | undefined = at.children.get(part);
    if (!child) return undefined;
    if (child.kind === "link") {
      if (++links > linksMax) return undefined;
      if (child.target.startsWith("/")) { trail = []; at = root; }
      rest = [...child.target.split("/"), ...rest];
      continue;
    }
    trail.push({ node: at, name: part });
    at = child;
  }
  return { node: at, path: trail.map(({ name }) => name).join("/") };
}

export async function* contentOf({ at }: FileContent): AsyncGenerator<Buffer> {
  if (typeof at === "string") yield* createReadStream(at, { highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>;
  else if (at.length > 0) yield at;
}

export async function textOf(content: FileContent, limitBytes: number, what: string): Promise<string> {
  if (content.sizeBytes > limitBytes) refuse(`${what} has ${content.sizeBytes} bytes; ${limitBytes} are allowed`);
  const parts: Buffer[] = [];
  for await (const part of contentOf(content)) parts.push(part);
  return Buffer.concat(parts).toString("utf8");
}

function parentFor(root: DirectoryNode, parts: readonly string[], entry: string): DirectoryNode {
  let at = root;
  for (const part of parts) {
    let child = at.children.get(part);
    if (!child) { child = emptyDirectory(); at.children.set(part, child); }
    if (child.kind !== "directory") return refuse(`its entry "${entry.slice(0, 200)}" lies below "${part}", which is a ${child.kind}`);
    at = child;
  }
  return at;
}

function nodeAt(root: DirectoryNode, parts: readonly string[]): TreeNode | undefined {
  let at: TreeNode | undefined = root;
  for (const part of parts) at = at?.kind === "directory" ? at.children.get(part) : undefined;
  return at;
}

class ContentStore {
  #total = 0;
  #inMemory = 0;
  #files = 0;
  constructor(private readonly directory: string, private readonly limitBytes: number) {}

  async put(source: AsyncIterable<Buffer>, sizeBytes: number): Promise<FileContent> {
    // What an archive declares is not believed for memory or disk, only for what it cannot have.
    this.#total += sizeBytes;
    if (this.#total > this.limitBytes) refuse(`its files have more than ${this.limitBytes} bytes together`);
    const hash = createHash("sha256");
    if (sizeBytes <= inMemoryFileBytes && this.#inMemory + sizeBytes <= inMemoryBytes) {
      const parts: Buffer[] = [];
      for await (const part of source) parts.push(part);
      this.#inMemory += sizeBytes;
      const at = Buffer.concat(parts);
      return { sizeBytes, sha256: hash.update(at).digest("hex"), at };
    }
    const at = join(this.directory, `f${this.#files++}`);
    const handle = await open(at, "wx", 0o600);
    try {
      for await (const part of source) {
        hash.update(part);
        for (let done = 0; done < part.length;) done += (await handle.write(part, done)).bytesWritten;
      }
    } finally { await handle.close(); }
    return { sizeBytes, sha256: hash.digest("hex"), at };
  }
}
