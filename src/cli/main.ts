/** The process behind bin/swarmctl. */
import { runCli } from "./run.js";
import { processTerminal } from "./terminal.js";

const interruption = new AbortController();
// The second Ctrl-C ends the process as if nobody listened.
process.once("SIGINT", () => interruption.abort());
process.once("SIGTERM", () => interruption.abort());
process.exitCode = await runCli({ argv: process.argv.slice(2), terminal: processTerminal(process.env), environment: process.env, signal: interruption.signal });
