import { access, constants } from "node:fs/promises";
import { basename, join } from "node:path";
import type { CgroupLayout } from "./cgroups.js";
import { runProgram, type ProgramOptions, type ProgramResult } from "./program.js";

/** One OCI runtime as a command line. It keeps its state below a root of its own. */
export class Runtime {
  /** "crun", as it is asked for. */
  readonly name: string;
  readonly root: string;
  readonly command: readonly string[];

  constructor(readonly path: string, /** "crun 1.8.1" */ readonly version: string, options: { root: string; cgroups: CgroupLayout; monitorPath: string }) {
    this.name = basename(path);
    this.root = options.root;
    // crun copies itself unless it is shielded, and refuses hosts with controllers on both cgroup versions until the second is out of its sight.
    const prefix = this.isCrun ? [options.monitorPath, "shield", options.cgroups.kind === "hybrid" ? options.cgroups.unifiedMount! : "-"] : [];
    this.command = [...prefix, path, "--root", options.root];
  }

  get isCrun(): boolean { return this.version.startsWith("crun "); }

  run(args: readonly string[], options: ProgramOptions = {}): Promise<ProgramResult> {
    return runProgram(this.command[0]!, [...this.command.slice(1), ...args], options);
  }

  /** Whether it has a container of this id. */
  holds(id: string): Promise<boolean> { return access(join(this.root, id)).then(() => true, () => false); }
}

/** Where a program is, by name or path; undefined if it is nowhere. */
export async function findProgram(name: string, searchPath: string): Promise<string | undefined> {
  const candidates = name.includes("/") ? [name] : searchPath.split(":").filter((directory) => directory.startsWith("/")).map((directory) => join(directory, name));
  for (const path of candidates) if (await access(path, constants.X_OK).then(() => true, () => false)) return path;
  return undefined;
}

/** "crun 1.8.1" out of what --version prints; undefined if it cannot be run. */
export async function versionOf(path: string): Promise<{ version: string } | { error: string }> {
  const asked = await runProgram(path, ["--version"], { timeoutMs: 10_000 });
  if (asked.code !== 0) return { error: asked.stderr.trim() || `it ended with code ${asked.code}` };
  const found = /^(\S+) version (\d[\w.+~-]*)/m.exec(asked.stdout);
  return { version: found ? `${found[1]} ${found[2]!.replace(/[+~].*$/, "")}` : `${basename(path)} ${asked.stdout.split("\n")[0]!.trim()}` };
}

/** The runtime's complaint in words for people: what was wrong with the command (which crun does not always name), or its own text. */
export function explainStartFailure(complaint: string, asked: { readonly program?: string; readonly oomScoreAdj?: number } = {}): { text: string; exitCode: number } {
  const line = complaint.trim().split("\n").filter((l) => l.trim() !== "").at(-1) ?? "";
  const text = line.replace(/^time=\S+ level=\w+ msg="(.*)"$/, "$1").replaceAll('\\"', '"').replace(/^\S+ run failed: /, "").replace(/^unable to start container process: /, "").slice(0, 500);
  const command = /exec: "([^"]*)"/.exec(text)?.[1] ?? /executable file `([^`]*)`/.exec(text)?.[1] ?? /open executable `([^`]*)`/.exec(text)?.[1] ?? asked.program;
  const name = command === undefined ? "the command" : `command "${command}"`;
  if (/executable file.*not found|no such file or directory/i.test(text) && /exec|executable/.test(text)) return { text: `${name} is not in the image: executable file not found in $PATH; check the command and the image's PATH`, exitCode: 127 };
  if (/permission denied|operation not permitted/i.test(text) && /exec/.test(text)) return { text: `${name} may not be executed: permission denied; check the file's mode and the user`, exitCode: 126 };
  if (/exec format error/i.test(text)) return { text: `${name} is not a program for this host's processor`, exitCode: 126 };
  if (/exec/.test(text) && /is a directory/.test(text)) return { text: `${name} may not be executed: it is a directory`, exitCode: 126 };
  if (/too many open files/i.test(text) || /cgroup\.procs.*no space left/i.test(text)) {
    // The limits are set before the runtime's last steps; crun takes a cpuset it could not read for an empty one.
    return { text: "its limit of open files (ulimit nofile) is too low for the runtime to set it up; give at least 64", exitCode: 128 };
  }
  // Docker's client makes 125 of what holds none of the words above.
  if (/rlimit/i.test(text) && /operation not permitted/i.test(text)) return { text: "the kernel refuses to raise a ulimit above this host's own hard limit, for which CAP_SYS_RESOURCE is missing here; ask for less, or raise the daemon's own limit", exitCode: 128 };
  // runc's first child cannot say why it gives up.
  if (/oom_score_adj/.test(text) || ((asked.oomScoreAdj ?? 0) < 0 && /final child's PID from pipe|procReady not received/.test(text))) {
    return { text: "the kernel refuses to lower the OOM score adjustment below the daemon's own, for which CAP_SYS_RESOURCE is missing here; ask for 0 or more", exitCode: 128 };
  }
  return { text, exitCode: 128 };
}
