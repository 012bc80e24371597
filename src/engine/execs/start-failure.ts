import { SwarmError } from "../../lib/index.js";
import { explainStartFailure } from "../runtime/runtime.js";

/** A command that could not be started: Docker's exit code and Docker's sentence, which clients compare. */
export class ExecStartFailure extends SwarmError {
  constructor(readonly exitCode: number, readonly reason: string) { super(exitCode === 128 ? "INTERNAL" : "INVALID_ARGUMENT", `OCI runtime exec failed: exec failed: unable to start container process: ${reason}: unknown`); }
}

/** The runtime's complaint about `command`. */
export function execFailure(command: readonly string[], complaint: string): ExecStartFailure {
  const { text, exitCode } = explainStartFailure(complaint.replaceAll(/^(\S+ )?exec failed: /gm, ""));
  const [name = ""] = command;
  if (exitCode === 127) return new ExecStartFailure(127, name.includes("/") ? `exec: "${name}": stat ${name}: no such file or directory` : `exec: "${name}": executable file not found in $PATH`);
  if (exitCode === 126) return new ExecStartFailure(126, `exec: "${name}": ${/exec format error/.test(complaint) ? "exec format error" : "permission denied"}`);
  return new ExecStartFailure(128, text);
}
