import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { SwarmError } from "../lib/index.js";
import { run } from "../linux/index.js";

/** Programs that a lab needs, and the Debian package that holds each. */
const packages: Readonly<Record<string, string>> = {
  ip: "iproute2", nft: "nftables", tini: "tini", unshare: "util-linux", nsenter: "util-linux", mount: "mount", setsid: "util-linux",
};
const directories = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"];
export const searchPath = directories.join(":");

export function requireTools(): void {
  if (process.getuid?.() !== 0) throw new SwarmError("PERMISSION_DENIED", `Cannot use labs as user ${process.getuid?.()}: hosts are made of namespaces, which takes root; run it with sudo`);
  const missing = Object.keys(packages).filter((tool) => !directories.some((directory) => isExecutable(`${directory}/${tool}`)));
  if (missing.length === 0) return;
  const wanted = [...new Set(missing.map((tool) => packages[tool]!))].join(" ");
  throw new SwarmError("FAILED_PRECONDITION", `Cannot use labs: ${missing.map((tool) => `"${tool}"`).join(" and ")} ${missing.length === 1 ? "is" : "are"} missing on this machine; install with "apt-get install ${wanted}"`);
}

/** Runs a program that must succeed. */
export async function must(argv: readonly string[], stdin = ""): Promise<string> {
  const result = await run(argv, { stdin });
  if (result.exitCode !== 0) throw new SwarmError("INTERNAL", `Cannot change the lab: "${argv.join(" ")}" failed: ${result.stderr.trim().split("\n")[0] || `exit code ${result.exitCode}`}`);
  return result.stdout;
}

/** Runs a program whose failure means that there was nothing to do. */
export const attempt = async (argv: readonly string[], stdin = ""): Promise<boolean> => (await run(argv, { stdin })).exitCode === 0;

function isExecutable(path: string): boolean {
  try { accessSync(path, constants.X_OK); return true; } catch { return false; }
}

export { run, spawnSync };
