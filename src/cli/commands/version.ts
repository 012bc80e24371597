import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { codeOf } from "../../lib/index.js";
import { packageRoot } from "../../rpc/index.js";
import type { InfoResponse } from "../../gen/swarm/v1/InfoResponse.js";
import type { Command } from "../command.js";
import { choose } from "../parse/key-value.js";

export default {
  usage: "[OPTIONS]",
  about: "Shows the versions of swarmctl and of the daemon that it talks to.",
  args: { min: 0 },
  flags: [{ name: "format", kind: "text", value: "FORMAT", help: "pretty (the default) or json" }],
  async run({ flags, connection, terminal }) {
    const format = choose(flags.text("format") ?? "pretty", "--format", { pretty: "pretty", json: "json", jsonl: "jsonl" } as const);
    const client = { version: ownVersion(), node: process.version };
    let daemon: { version: string; runtime: string; kernel: string } | undefined;
    try {
      const info = await connection.node<InfoResponse>("info", {}, { timeoutMs: 5_000 });
      daemon = { version: info.version, runtime: info.runtime, kernel: info.kernel };
    } catch (error) { if (codeOf(error) !== "UNAVAILABLE" && codeOf(error) !== "DEADLINE_EXCEEDED") throw error; }
    if (format !== "pretty") { terminal.out(`${JSON.stringify({ client, daemon }, undefined, format === "json" ? 2 : undefined)}\n`); return; }
    terminal.out(`swarmctl ${client.version} (Node ${client.node})\n${daemon ? `swarmd   ${daemon.version} (${daemon.runtime}, kernel ${daemon.kernel})\n` : "swarmd   not reached\n"}`);
  },
} satisfies Command as Command;

const ownVersion = (): string =>
  (JSON.parse(readFileSync(join(packageRoot(fileURLToPath(import.meta.url)), "package.json"), "utf8")) as { version: string }).version;
