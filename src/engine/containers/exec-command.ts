import { randomBytes } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SwarmError } from "../../lib/index.js";
import type { ExecOptions, ExecResult } from "../api/index.js";
import type { Paths } from "../paths.js";
import type { HostAbilities } from "../runtime/host-abilities.js";
import { explainStartFailure } from "../runtime/runtime.js";
import type { Runtimes } from "../runtime/runtimes.js";
import { execProcess } from "./exec-process.js";
import { isRestarting, type ContainerRecord } from "./record.js";

export interface ExecParts { readonly paths: Paths; readonly runtimes: Runtimes; readonly host: HostAbilities }

/** Runs a command beside the container's own to its end, and collects what it prints. */
export async function execCommand(record: ContainerRecord, options: ExecOptions, parts: ExecParts): Promise<ExecResult> {
  const { config, phase, isPaused } = record;
  const { id } = config;
  const refuse = (why: string): never => { throw new SwarmError("FAILED_PRECONDITION", `Cannot run a command in container "${config.name}": ${why}`); };
  if (isRestarting(record)) refuse("it is restarting; wait until it runs");
  if (phase !== "running") refuse("it is not running");
  if (isPaused) refuse("it is paused; unpause it first");
  if (options.command.length === 0) refuse("no command was given");
  const own = parts.paths.container(id);
  const stem = join(own.bundle, `exec-${randomBytes(6).toString("hex")}`);
  await writeFile(`${stem}.json`, JSON.stringify(await execProcess(own, options, parts.host.boundingCapabilities)));
  // Killing the runtime would leave the command running: the command itself is killed, through its own pid.
  const killCommand = () => { void readFile(`${stem}.pid`, "utf8").then((text) => { const pid = Number(text); if (pid > 1) process.kill(pid, "SIGKILL"); }).catch(() => {}); };
  try {
    const result = await (await parts.runtimes.holding(id)).run(["--log", `${stem}.log`, "--log-format", "json", "exec", "--process", `${stem}.json`, "--pid-file", `${stem}.pid`, id],
      { timeoutMs: options.timeoutMs, onTimeout: killCommand });
    const complaint = await readFile(`${stem}.log`, "utf8").catch(() => "");
    const failed = result.code !== 0 && !result.isTimedOut ? /"level":"error"[^}]*"msg":"((?:[^"\\]|\\.)*)"|"msg":"((?:[^"\\]|\\.)*)"[^}]*"level":"error"/.exec(complaint) : null;
    if (failed) {
      const { text, exitCode } = explainStartFailure((JSON.parse(`"${failed[1] ?? failed[2]}"`) as string).replace(/^exec failed: /, ""));
      return { exitCode, output: text, isTimedOut: false };
    }
    return { exitCode: result.code, output: result.output, isTimedOut: result.isTimedOut };
  } finally { for (const suffix of [".json", ".pid", ".log"]) await rm(stem + suffix, { force: true }); }
}
