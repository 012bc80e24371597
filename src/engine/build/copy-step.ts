import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { SwarmError } from "../../lib/index.js";
import { decompress } from "../content/decompress.js";
import type { BuildJob } from "./build-job.js";
import { ignoreRules, type IgnoreRules } from "./core/ignore.js";
import type { CopyInstruction } from "./core/instructions.js";
import { chompHeredoc, parseHeredocWord } from "./core/lines.js";
import { joinPath, namesDirectory } from "./core/paths.js";
import { hasWildcards } from "./core/path-pattern.js";
import { ArchiveOrigin, DirectoryOrigin, FileOrigin, TreeOrigin, contentDigest, type CopyOrigin, type Match } from "./copy-origin.js";
import { download, isUrl } from "./download.js";
import { contentOf, fileNode, resolveNode, type FileContent, type TreeNode } from "./file-tree.js";
import type { ImageState } from "./image-state.js";
import { LayerTar, type Placement } from "./layer-tar.js";
import { RootView } from "./root-view.js";
import { inChunks, isTarHeader } from "./tar-records.js";

/** COPY or ADD with its variables replaced. */
export interface CopyStep {
  readonly name: "COPY" | "ADD";
  readonly instruction: CopyInstruction;
  readonly line: number;
  /** The stage or image of --from. */
  readonly source: ImageState | undefined;
  /** A heredoc's text with its variables replaced. */
  readonly expandText: (text: string) => string;
}

interface Chosen { readonly origin: CopyOrigin; readonly matches: readonly Match[] }

/** What is copied, once it is known: its digest, and how it becomes a layer. */
export interface PreparedCopy {
  /** "file:…", "dir:…": of what the files are. Undefined while it would have to be read from a stage. */
  readonly digest: string | undefined;
  /** Writes the layer; the digest of its files comes with it. */
  write(state: ImageState): Promise<{ diffId: string; sizeBytes: number; digest: string }>;
}

const downloadedMode = 0o600;

export async function prepareCopy(step: CopyStep, job: BuildJob): Promise<PreparedCopy> {
  const { instruction, source, name } = step;
  const excludes = ignoreRules(instruction.excludes);
  const mode = modeOf(instruction.chmod);
  if (source) return { digest: undefined, write: (state) => job.roots.with(source.chain, async (root) => {
    const origin = new DirectoryOrigin(root);
    const chosen: Chosen[] = [];
    for (const pattern of instruction.sources) chosen.push(heredocOf(step, pattern) ?? { origin, matches: await origin.match(pattern) });
    return writeLayer(step, chosen, excludes, mode, state, job);
  }) };

  const context = new TreeOrigin(job.context);
  const chosen: Chosen[] = [];
  for (const pattern of instruction.sources) {
    const heredoc = heredocOf(step, pattern);
    if (heredoc) chosen.push(heredoc);
    else if (name === "ADD" && isUrl(pattern)) chosen.push(await fetched(step, pattern, job));
    else if (name === "ADD" && (/^(git@|git:\/\/|ssh:\/\/)/.test(pattern) || /\.git(#.*)?$/.test(pattern) && pattern.includes("://"))) throw new SwarmError("UNIMPLEMENTED", `ADD failed: "${pattern}" is a git repository, which ADD does not fetch here; clone it into the context`);
    else {
      const matches = await context.match(pattern);
      if (name === "COPY" || instruction.isUnpacked === false) { chosen.push({ origin: context, matches }); continue; }
      for (const match of matches) chosen.push(await unpacked(match, job) ?? { origin: context, matches: [match] });
    }
  }
  if (instruction.checksum !== undefined && !(instruction.sources.length === 1 && isUrl(instruction.sources[0]!))) throw new SwarmError("INVALID_ARGUMENT", "checksum can't be specified for non-HTTP(S) sources, or for several");
  return { digest: await contentDigest(chosen, excludes), write: (state) => writeLayer(step, chosen, excludes, mode, state, job) };
}

async function writeLayer(step: CopyStep, chosen: readonly Chosen[], ignore: IgnoreRules, mode: number | undefined, state: ImageState, job: BuildJob): Promise<{ diffId: string; sizeBytes: number; digest: string }> {
  const { instruction } = step;
  const { layers, blobs, images, clock } = job.parts;
  const count = chosen.reduce((sum, { matches }) => sum + matches.length, 0);
  const isDirectory = namesDirectory(instruction.target);
  const target = joinPath(state.config.WorkingDir || "/", instruction.target);
  if ((instruction.sources.length > 1 || instruction.sources.some(hasWildcards) && count > 1) && !isDirectory) {
    throw new SwarmError("INVALID_ARGUMENT", `When using ${step.name} with more than one source file, the destination must be a directory and end with a /`);
  }
  return job.roots.with(state.chain, async (root) => {
    const view = new RootView(root);
    // What is copied from a stage keeps its owners; archives keep theirs; the context's files become root's.
    const owner = instruction.chown === undefined ? undefined : await view.owner(instruction.chown);
    const isThere = (await view.see(await view.resolve(target))).kind === "directory";
    const placements: Placement[] = chosen.flatMap(({ origin, matches }) => matches.map((match) => ({ origin, match, target: match.isDirectory || !(isDirectory || isThere) ? target : `${target === "/" ? "" : target}/${match.name}` })));
    const tar = new LayerTar(view, { owner, mode, ignore, nowSeconds: Math.floor(clock.now() / 1000), signal: job.signal });
    return images.during(async () => {
      const { digest: diffId, sizeBytes } = await blobs.put(inChunks(tar.files(placements)));
      await layers.unpack([...state.chain, diffId], () => blobs.stream(diffId));
      job.held.add({ chain: [...state.chain, diffId], layers: [{ digest: diffId, sizeBytes, mediaType: "" }] });
      return { diffId, sizeBytes, digest: tar.content.digest() };
    });
  });
}

function heredocOf(step: CopyStep, word: string): Chosen | undefined {
  const opening = parseHeredocWord(word);
  const heredoc = opening && step.instruction.heredocs.find((each) => each.name === opening.name);
  if (!heredoc) return undefined;
  const text = heredoc.isChomped ? chompHeredoc(heredoc.content) : heredoc.content;
  return single(heredoc.name, fileNode(Buffer.from(heredoc.isExpanded ? step.expandText(text) : text)));
}

function single(name: string, node: TreeNode): Chosen {
  return { origin: new FileOrigin(name, node), matches: [{ path: name, name, isDirectory: false, sizeBytes: node.kind === "file" ? node.content.sizeBytes : 0 }] };
}

async function fetched(step: CopyStep, url: string, job: BuildJob): Promise<Chosen> {
  const { checksum, isUnpacked, target } = step.instruction;
  const got = await download(url, join(job.directory, `download-${randomBytes(6).toString("hex")}`), job.signal);
  if (checksum !== undefined) {
    if (!/^sha256:[0-9a-f]{64}$/.test(checksum)) throw new SwarmError("INVALID_ARGUMENT", `ADD failed: checksum "${checksum.slice(0, 100)}" is not valid; write it like sha256:… with 64 hexadecimal digits`);
    if (checksum !== `sha256:${got.content.sha256}`) throw new SwarmError("DATA_LOSS", `ADD failed: digest mismatch: "${url}" is sha256:${got.content.sha256}, and ${checksum} was asked for`);
  }
  if (isUnpacked) {
    const archive = await asArchive(got.name || "download", got.content);
    if (archive) return archive;
  }
  if (got.name === "" && namesDirectory(target)) throw new SwarmError("INVALID_ARGUMENT", `ADD failed: cannot determine filename for source "${url}"; give the destination a file's name`);
  return single(got.name || "download", { kind: "file", mode: downloadedMode, mtimeSeconds: got.mtimeSeconds, content: got.content });
}

async function unpacked(match: Match, job: BuildJob): Promise<Chosen | undefined> {
  const found = resolveNode(job.context, match.path);
  return found?.node.kind === "file" ? asArchive(match.name, found.node.content) : undefined;
}

/** A tar, plain or compressed, told by what is in it and not by its name. */
async function asArchive(name: string, content: FileContent): Promise<Chosen | undefined> {
  if (content.sizeBytes < 20) return undefined;
  let head = Buffer.alloc(0);
  try {
    for await (const part of decompress(contentOf(content))) { head = Buffer.concat([head, part]); if (head.length >= 512) break; }
  } catch { return undefined; }
  if (!isTarHeader(head.subarray(0, 512))) return undefined;
  const origin = new ArchiveOrigin(name, () => decompress(contentOf(content)));
  return { origin, matches: await origin.match() };
}

function modeOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[0-7]{3,5}$/.test(text)) throw new SwarmError("INVALID_ARGUMENT", `invalid chmod parameter: '${text.slice(0, 100)}'. it should be octal string and between 0 and 07777`);
  return Number.parseInt(text, 8) & 0o7777;
}
