import { spawn } from "node:child_process";
import { SwarmError } from "../../lib/index.js";
import { feed } from "../content/feed.js";

/** A tar of our own making into an empty directory. */
export async function unpackInto(directory: string, tar: AsyncIterable<Uint8Array>): Promise<void> {
  const child = spawn("tar", ["--extract", "--file=-", `--directory=${directory}`, "--numeric-owner", "--same-permissions", "--same-owner"], { stdio: ["pipe", "ignore", "pipe"] });
  let complaint = "";
  child.stderr.on("data", (text) => { complaint = (complaint + String(text)).slice(0, 1000); });
  const ended = new Promise<number>((resolve) => { child.on("error", (error) => { complaint = error.message; resolve(127); }); child.on("close", (code) => resolve(code ?? 1)); });
  try { await feed(tar, child.stdin); } catch (error) {
    child.kill("SIGKILL");
    await ended;
    if (complaint === "") throw error;
  }
  if (await ended !== 0) throw new SwarmError("INTERNAL", `cannot write the build context: ${complaint.trim().split("\n")[0]}`);
}
