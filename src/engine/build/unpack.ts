import { spawn } from "node:child_process";
import { endOf, feedProgram } from "../runtime/program-streams.js";

/** A tar of our own making into an empty directory. */
export async function unpackInto(directory: string, tar: AsyncIterable<Uint8Array>): Promise<void> {
  const program = spawn("tar", ["--extract", "--file=-", `--directory=${directory}`, "--numeric-owner", "--same-permissions", "--same-owner"], { stdio: ["pipe", "ignore", "pipe"] });
  const ended = endOf(program, "cannot write the build context");
  await feedProgram(program, tar, ended);
  await ended;
}
