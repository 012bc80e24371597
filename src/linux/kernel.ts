import { access, readdir } from "node:fs/promises";
import { SwarmError, type Logger } from "../lib/index.js";
import { parseAddresses, parseForwarding, parseLinks, parseNeighbours, type KernelObservation } from "./observation.js";
import { run as runDirectly, type ProgramRunner } from "./spawn.js";
import { commandOf, exitCodeOf, netnsDir, netnsPathOf, quote, scriptOf, type Command, type KernelStep } from "./step.js";

/** The kernel's networking in this process's network and mount namespaces. */
export interface Kernel {
  /** Carries out the steps in order; at the first that fails, rejects and leaves the rest. No steps: nothing. */
  apply(steps: readonly KernelStep[]): Promise<void>;
  /** Everything at once, as one consistent enough picture for a diff. */
  observe(): Promise<KernelObservation>;
  /** `nft list table ip skein` of named namespaces, undefined for the host's own; "" where the table or the namespace is missing. */
  listRules(netns: readonly (string | undefined)[]): Promise<string[]>;
  /** Names of namespaces that start with `prefix`. */
  listNamespaces(prefix: string): Promise<string[]>;
  hasTool(name: string): Promise<boolean>;
}

// Linux takes one argument of 128 KiB at most (MAX_ARG_STRLEN).
const scriptLimit = 100_000;
const separator = "=====skein=====";

export function createKernel({ log, run = runDirectly }: { log: Logger; run?: ProgramRunner | undefined }): Kernel {
  return {
    async apply(steps) {
      if (steps.length === 0) return;
      const commands = steps.map(commandOf);
      const startedAt = performance.now();
      const script = scriptOf(commands);
      if (script.length <= scriptLimit) await runScript(run, script, commands);
      else for (const command of commands) await runOne(run, command);
      log.debug("changed the kernel", { steps: steps.length, ms: Math.round(performance.now() - startedAt) });
    },

    async observe() {
      const parts = await collect(run, [
        "ip -j -d link show", "ip -j -4 addr show", "bridge -j fdb show", "ip -j -4 neigh show nud permanent",
        "nft list table ip skein 2>/dev/null || true",
      ]);
      return {
        links: parseLinks(parts[0]!), addresses: parseAddresses(parts[1]!), forwarding: parseForwarding(parts[2]!),
        neighbours: parseNeighbours(parts[3]!), rules: parts[4]!.trim(),
      };
    },

    async listRules(netns) {
      if (netns.length === 0) return [];
      const parts = await collect(run, netns.map((name) =>
        `${name === undefined ? "" : `nsenter --net=${quote(netnsPathOf(name))} -- `}nft list table ip skein 2>/dev/null || true`));
      return parts.map((part) => part.trim());
    },

    async listNamespaces(prefix) {
      const names = await readdir(netnsDir).catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return [];
        throw error;
      });
      return names.filter((name) => name.startsWith(prefix)).sort();
    },

    async hasTool(name) {
      for (const dir of ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"]) {
        if (await access(`${dir}/${name}`).then(() => true, () => false)) return true;
      }
      return false;
    },
  };
}

async function runScript(run: ProgramRunner, script: string, commands: readonly Command[]): Promise<void> {
  const result = await run(["sh", "-c", script]);
  if (result.exitCode === 0) return;
  const failed = commands.find((_, index) => exitCodeOf(index) === result.exitCode);
  throw refusal(failed, result.stderr);
}

async function runOne(run: ProgramRunner, command: Command): Promise<void> {
  const result = await run(command.argv, { stdin: command.stdin });
  if (result.exitCode !== 0 && !command.isTolerant) throw refusal(command, result.stderr);
}

function refusal(command: Command | undefined, stderr: string): SwarmError {
  const reason = stderr.trim().split("\n").slice(0, 3).join("; ") || "no reason given";
  const line = Number(/Command failed -:(\d+)/.exec(stderr)?.[1] ?? 0);
  const what = command ? [command.argv.join(" "), command.stdin.split("\n")[line - 1]].filter(Boolean).join(": ") : "sh";
  return new SwarmError("INTERNAL", `Cannot change the network with "${what.slice(0, 300)}": ${reason}.`);
}

async function collect(run: ProgramRunner, questions: readonly string[]): Promise<string[]> {
  const script = questions.map((question, index) => `{ ${question}; } || exit ${exitCodeOf(index)}`).join(`\necho; echo ${separator}\n`);
  const result = await run(["sh", "-c", script]);
  if (result.exitCode !== 0) {
    const question = questions.find((_, index) => exitCodeOf(index) === result.exitCode) ?? "sh";
    throw new SwarmError("INTERNAL", `Cannot read the network with "${question}": ${result.stderr.trim().split("\n")[0] ?? ""}.`);
  }
  return result.stdout.split(`\n${separator}\n`);
}
