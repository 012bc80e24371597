import { spawn } from "node:child_process";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { SwarmError } from "../../lib/index.js";
import { resolveInRoot } from "../containers/root-path.js";
import { decompress } from "../content/decompress.js";
import { runProgram } from "../runtime/program.js";
import { outputOf } from "../runtime/program-streams.js";
import { download, isUrl } from "./download.js";
import { contentOf, emptyDirectory, readContext, type ContextLimits, type DirectoryNode } from "./file-tree.js";
import { isTarHeader } from "./tar-records.js";

const cloneMs = 600_000;

/** A context that the engine fetches: a tar, or a Dockerfile alone, from the web; a git repository where git is installed (`URL#branch:directory`). */
export async function fetchContext(remote: string, directory: string, limits: ContextLimits, signal: AbortSignal): Promise<DirectoryNode> {
  const refuse = (why: string): never => { throw new SwarmError("INVALID_ARGUMENT", `Cannot build from "${remote.slice(0, 200).replace(/\/\/[^/@]*@/, "//")}": ${why}`); };
  if (isGit(remote)) {
    const [, url = "", branch = "", below = ""] = /^([^#]*)(?:#([^:]*)(?::(.*))?)?$/s.exec(remote) ?? [];
    if (branch.startsWith("-") || url.startsWith("-")) refuse("that is no name of a branch or repository");
    const version = await runProgram("git", ["--version"]);
    if (version.code !== 0) refuse("it is a git repository, and git is not installed on this host; send the context as a tar");
    const target = join(directory, "git");
    const cloned = await runProgram("git", ["clone", "--quiet", "--depth=1", "--recurse-submodules", "--shallow-submodules", ...(branch === "" ? [] : ["--branch", branch]), "--", url.replace(/^github\.com\//, "https://github.com/"), target],
      { timeoutMs: cloneMs, signal, env: { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: "/nonexistent", GIT_TERMINAL_PROMPT: "0", GIT_ALLOW_PROTOCOL: "http:https:git:ssh", GIT_CONFIG_NOSYSTEM: "1" } });
    signal.throwIfAborted();
    if (cloned.code !== 0) refuse(`git could not fetch it: ${cloned.stderr.trim().split("\n").at(-1) ?? ""}`);
    const root = await resolveInRoot(target, below);
    await access(root).catch(() => refuse(`it has no directory "${below}"`));
    return readContext(filesOf(root), directory, limits, signal);
  }
  if (!isUrl(remote)) refuse("write it like https://…, or send the context as a tar");
  const { content } = await download(remote, join(directory, "remote"), signal);
  let head = Buffer.alloc(0);
  for await (const part of decompress(contentOf(content))) { head = Buffer.concat([head, part]); if (head.length >= 512) break; }
  if (isTarHeader(head.subarray(0, 512))) return readContext(decompress(contentOf(content)), directory, limits, signal);
  const root = emptyDirectory();
  root.children.set("Dockerfile", { kind: "file", mode: 0o644, mtimeSeconds: 0, content });
  return root;
}

const isGit = (remote: string): boolean => /^(git:\/\/|ssh:\/\/|git@|github\.com\/)/.test(remote) || /^https?:\/\/[^#]*\.git(#.*)?$/.test(remote);

function filesOf(directory: string): AsyncGenerator<Uint8Array> {
  return outputOf(spawn("tar", ["--create", "--file=-", "--format=pax", "--pax-option=delete=atime,delete=ctime", "--exclude-vcs", "--sort=name", `--directory=${directory}`, "."], { stdio: ["ignore", "pipe", "pipe"] }), "cannot read the fetched repository");
}
