import { assert } from "../lib/index.js";

/** Where iproute2 keeps named namespaces, in the mount namespace of the host. */
export const netnsDir = "/run/netns";
export const netnsPathOf = (name: string): string => `${netnsDir}/${name}`;

/**
 * One change of the kernel, carried out by one program. `netns` names the namespace to act in, the host's own without it.
 * `isTolerant`: go on after lines that fail, for removing what may be gone already.
 */
export type KernelStep =
  | { readonly tool: "ip" | "bridge"; readonly netns?: string; readonly lines: readonly string[]; readonly isTolerant?: boolean }
  | { readonly tool: "nft"; readonly netns?: string; readonly text: string; readonly isTolerant?: boolean }
  | { readonly tool: "sysctl"; readonly netns?: string; readonly settings: Readonly<Record<string, string>> }
  /** Forgets connections translated to these addresses. Connections that do not exist are no failure. */
  | { readonly tool: "conntrack"; readonly netns?: string; readonly protocol: "udp" | "tcp"; readonly backends: readonly string[] };

export interface Command { readonly argv: readonly string[]; readonly stdin: string; readonly isTolerant: boolean }

/** The program that carries out a step, and its input. */
export function commandOf(step: KernelStep): Command {
  const enter = step.netns === undefined ? [] : ["nsenter", `--net=${netnsPathOf(step.netns)}`, "--"];
  switch (step.tool) {
    case "ip":
    case "bridge":
      // Whatever a name or an address came from: it can add no line of its own.
      assert(step.lines.every((line) => !line.includes("\n")), "a line for iproute2 is one line");
      return {
        // `-n` makes iproute2 enter the namespace itself, one exec fewer than nsenter.
        argv: [step.tool, ...(step.netns === undefined ? [] : ["-n", step.netns]), ...(step.isTolerant ? ["-force"] : []), "-batch", "-"],
        stdin: step.lines.join("\n") + "\n", isTolerant: step.isTolerant ?? false,
      };
    case "nft":
      return { argv: [...enter, "nft", "-f", "-"], stdin: step.text, isTolerant: step.isTolerant ?? false };
    case "sysctl":
      // A key that this kernel lacks (no IPv6, say) is skipped: whoever needs the feature notices without us.
      return {
        argv: [...enter, "sh", "-c", Object.entries(step.settings)
          .map(([key, value]) => ({ path: `/proc/sys/${key.replaceAll(".", "/")}`, value }))
          .map(({ path, value }) => `if [ -e ${quote(path)} ]; then echo ${quote(value)} > ${quote(path)} || exit 1; fi`).join("\n")],
        stdin: "", isTolerant: false,
      };
    case "conntrack":
      return {
        argv: [...enter, "sh", "-c", step.backends.map((addr) => `conntrack -D -p ${step.protocol} -r ${quote(addr)}`).join("\n")],
        stdin: "", isTolerant: true,
      };
  }
}

/**
 * All commands as one shell script, so that a whole change costs one spawn. Command number i that fails ends it with exit code 100 + i
 * (the last code for all beyond).
 */
export function scriptOf(commands: readonly Command[]): string {
  return commands.map((command, index) => {
    const tail = command.isTolerant ? " 2>/dev/null || true" : ` || exit ${exitCodeOf(index)}`;
    const program = command.argv.map(quote).join(" ");
    if (command.stdin === "") return `${program} </dev/null >/dev/null${tail}`;
    const marker = `SKEIN_END_${index}`;
    assert(!command.stdin.includes(marker), "a program's input does not hold its own end, after which the shell would read");
    return `${program} >/dev/null <<'${marker}'${tail}\n${command.stdin}${command.stdin.endsWith("\n") ? "" : "\n"}${marker}`;
  }).join("\n") + "\n";
}

export const exitCodeOf = (index: number): number => 100 + Math.min(index, 100);

export const quote = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
