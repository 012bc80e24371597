import { SwarmError } from "../../lib/index.js";
import type { CgroupLayout } from "./cgroups.js";
import { runProgram, type ProgramResult } from "./program.js";

/** The OCI runtime (runc or crun) as a command line. It keeps its state below `root`. */
export class Runtime {
  private constructor(readonly version: string, readonly command: readonly string[]) {}

  /** Checks that it can be run here. */
  static async find(name: string, options: { root: string; cgroups: CgroupLayout; monitorPath: string }): Promise<Runtime> {
    const asked = await runProgram(name, ["--version"]);
    if (asked.code !== 0) {
      throw new SwarmError("FAILED_PRECONDITION", `Cannot start the engine: the OCI runtime "${name}" cannot be run (${asked.stderr.trim() || `code ${asked.code}`}); install Debian's package runc, or name another runtime`);
    }
    const version = /^(\S+) version (\d[\d.]*)/m.exec(asked.stdout);
    const title = version ? `${version[1]} ${version[2]}` : asked.stdout.split("\n")[0]!.trim();
    const prefix = title.startsWith("crun") && options.cgroups.kind === "hybrid" ? [options.monitorPath, "without-cgroup2", options.cgroups.unifiedMount!] : [];
    return new Runtime(title, [...prefix, name, "--root", options.root]);
  }

  run(args: readonly string[], options: { timeoutMs?: number; signal?: AbortSignal; onTimeout?: () => void } = {}): Promise<ProgramResult> {
    return runProgram(this.command[0]!, [...this.command.slice(1), ...args], options);
  }
}

/** The runtime's complaint in words for people: what was wrong with the command, or its own text. */
export function explainStartFailure(complaint: string): { text: string; exitCode: number } {
  const line = complaint.trim().split("\n").filter((l) => l.trim() !== "").at(-1) ?? "";
  const text = line.replace(/^time=\S+ level=\w+ msg="(.*)"$/, "$1").replaceAll('\\"', '"').replace(/^\S+ run failed: /, "").replace(/^unable to start container process: /, "").slice(0, 500);
  const command = /exec: "([^"]*)"/.exec(text)?.[1] ?? /executable file `([^`]*)` not found/.exec(text)?.[1];
  const name = command === undefined ? "the command" : `command "${command}"`;
  if (/executable file.*not found|no such file or directory/.test(text) && /exec|executable/.test(text)) return { text: `${name} is not in the image; check the command and the image's PATH`, exitCode: 127 };
  if (/permission denied/.test(text) && /exec/.test(text)) return { text: `${name} may not be executed: permission denied; check the file's mode and the user`, exitCode: 126 };
  if (/exec format error/.test(text)) return { text: `${name} is not a program for this host's processor`, exitCode: 126 };
  return { text, exitCode: 128 };
}
