import { spawn } from "node:child_process";
import { constants } from "node:os";
import { SwarmError } from "../lib/index.js";
import { argvInside } from "./host.js";
import { getHost, getLab, hostPaths } from "./state.js";
import { searchPath } from "./tools.js";

/** Runs a command on a host with this process's terminal or pipes; resolves with its exit code, 128 + n for a signal. */
export function labExec(labName: string, hostName: string, argv: readonly string[]): Promise<number> {
  const lab = getLab(labName);
  const host = getHost(lab, hostName);
  if (argv.length === 0) throw new SwarmError("INVALID_ARGUMENT", `Cannot run a command on host "${hostName}": none is given; put it after "--", such as "swarmctl lab exec ${hostName} -- ip addr"`);
  const [program, ...args] = argvInside(lab, host, argv);
  return new Promise((resolve, reject) => {
    const child = spawn(program!, args, {
      stdio: "inherit",
      // Inside the host swarmctl means the host's own daemon.
      env: { PATH: searchPath, HOME: process.env["HOME"] ?? "/root", TERM: process.env["TERM"] ?? "dumb", LANG: process.env["LANG"] ?? "C.UTF-8", SKEIN_HOST: hostPaths(lab.name, host.name).run },
    });
    // The command gets the terminal's signals itself; this process stays to report its exit code.
    const ignore = () => {};
    process.on("SIGINT", ignore);
    child.on("error", reject);
    child.on("exit", (code, signal) => { process.off("SIGINT", ignore); resolve(code ?? 128 + (constants.signals[signal!] ?? 0)); });
  });
}
