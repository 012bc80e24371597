import type { Command } from "../command.js";
import { flagsOf, globalFlags } from "../flags.js";
import { choose } from "../parse/key-value.js";
import { registry } from "../registry.js";

export default {
  usage: "bash|zsh",
  about: "Prints a script that completes swarmctl's commands and flags, and the names of nodes and services where one is wanted.",
  args: { min: 1 },
  flags: [],
  examples: [["source <(swarmctl completion bash)", "In this shell"], ["swarmctl completion bash > /etc/bash_completion.d/swarmctl", "In every shell"]],
  async run({ args, terminal }) {
    const shell = choose(args[0]!, "the shell", { bash: "bash", zsh: "zsh" } as const);
    const cases: string[] = [];
    const nouns = new Map<string, string[]>();
    const named: Record<Named, string[]> = { NODE: [], SERVICE: [] };
    for (const [path, entry] of Object.entries(registry)) {
      const [noun, verb] = path.split(" ");
      nouns.set(noun!, [...(nouns.get(noun!) ?? []), ...(verb ? [verb] : [])]);
      const command = (await entry.load()).default;
      cases.push(`    "${path}") words="${[...choices(command.usage), ...flagsOf(command).map((flag) => `--${flag.name}`)].join(" ")}" ;;`);
      for (const what of ["NODE", "SERVICE"] as const) if (new RegExp(`\\b${what}\\b`).test(command.usage)) named[what].push(`"${path}"`);
    }
    for (const [noun, verbs] of nouns) if (verbs.length) cases.push(`    "${noun}") words="${verbs.join(" ")} --help" ;;`);
    cases.push(`    "") words="${[...nouns.keys(), ...globalFlags.map((flag) => `--${flag.name}`)].join(" ")}" ;;`);
    const verbed = [...nouns].filter(([, verbs]) => verbs.length).map(([noun]) => noun).join("|");
    terminal.out(`${shell === "zsh" ? "autoload -U +X bashcompinit && bashcompinit\n" : ""}${script(cases, verbed, named)}`);
  },
} satisfies Command as Command;

type Named = "NODE" | "SERVICE";

/** "[OPTIONS] worker|manager" → worker, manager */
const choices = (usage: string): string[] => /(?:^| )([a-z]+(?:\|[a-z]+)+)$/.exec(usage)?.[1]?.split("|") ?? [];

/** The command's words are those before the cursor that are neither a flag nor a global flag's value. Nodes and services are asked for where their names are wanted, of the cluster that the line names. */
const script = (cases: readonly string[], verbed: string, named: Readonly<Record<Named, readonly string[]>>): string => `_swarmctl_nodes() { "$@" node ls --format jsonl 2>/dev/null | sed -n 's/.*"hostname":"\\([^"]*\\)".*/\\1/p'; }
_swarmctl_services() { "$@" service ls 2>/dev/null | sed -n '2,$s/^[^ ]*  *\\([^ ]*\\).*/\\1/p'; }
_swarmctl() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path="" words="" i=1 word places=()
  while [ "$i" -lt "$COMP_CWORD" ]; do
    word="\${COMP_WORDS[$i]}"
    case "$word" in
      --context|--host) i=$((i + 1)); places+=("$word" "\${COMP_WORDS[$i]}") ;;
      -*) ;;
      *) case "$path" in
           "") path="$word" ;;
           ${verbed}) path="$path $word" ;;
         esac ;;
    esac
    i=$((i + 1))
  done
  local call=("\${COMP_WORDS[0]}" "\${places[@]}")
  case "\${COMP_WORDS[$((COMP_CWORD - 1))]}" in
    --node|--lose|--drain) words="$(_swarmctl_nodes "\${call[@]}")" ;;
    --headroom|--affinity|--anti-affinity|--affinity-add|--anti-affinity-add) words="$(_swarmctl_services "\${call[@]}")" ;;
    *)
      case "$path" in
${cases.join("\n")}
      esac
      case "$current" in -*) ;; *) case "$path" in
        ${named.NODE.join("|")}) words="$words $(_swarmctl_nodes "\${call[@]}")" ;;
        ${named.SERVICE.join("|")}) words="$words $(_swarmctl_services "\${call[@]}")" ;;
      esac ;; esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _swarmctl swarmctl
`;
