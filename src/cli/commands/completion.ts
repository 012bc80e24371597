import type { Command } from "../command.js";
import { flagsOf, globalFlags } from "../flags.js";
import { choose } from "../parse/key-value.js";
import { registry } from "../registry.js";

export default {
  usage: "bash|zsh",
  about: "Prints a script that completes swarmctl's commands and flags, and the names of nodes after --node.",
  args: { min: 1 },
  flags: [],
  examples: [["source <(swarmctl completion bash)", "In this shell"], ["swarmctl completion bash > /etc/bash_completion.d/swarmctl", "In every shell"]],
  async run({ args, terminal }) {
    const shell = choose(args[0]!, "the shell", { bash: "bash", zsh: "zsh" } as const);
    const cases: string[] = [];
    const nouns = new Map<string, string[]>();
    for (const [path, entry] of Object.entries(registry)) {
      const [noun, verb] = path.split(" ");
      nouns.set(noun!, [...(nouns.get(noun!) ?? []), ...(verb ? [verb] : [])]);
      const command = (await entry.load()).default;
      cases.push(`    "${path}") words="${[...choices(command.usage), ...flagsOf(command).map((flag) => `--${flag.name}`)].join(" ")}" ;;`);
    }
    for (const [noun, verbs] of nouns) if (verbs.length) cases.push(`    "${noun}") words="${verbs.join(" ")} --help" ;;`);
    cases.push(`    "") words="${[...nouns.keys(), ...globalFlags.map((flag) => `--${flag.name}`)].join(" ")}" ;;`);
    const verbed = [...nouns].filter(([, verbs]) => verbs.length).map(([noun]) => noun).join("|");
    terminal.out(`${shell === "zsh" ? "autoload -U +X bashcompinit && bashcompinit\n" : ""}${script(cases, verbed)}`);
  },
} satisfies Command as Command;

/** "[OPTIONS] worker|manager" → worker, manager */
const choices = (usage: string): string[] => /(?:^| )([a-z]+(?:\|[a-z]+)+)$/.exec(usage)?.[1]?.split("|") ?? [];

/** The command's words are those before the cursor that are neither a flag nor a global flag's value. Nodes are asked for where their names are wanted, of the cluster that the line names. */
const script = (cases: readonly string[], verbed: string): string => `_swarmctl() {
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
  if [ "\${COMP_WORDS[$((COMP_CWORD - 1))]}" = --node ]; then
    words="$("\${COMP_WORDS[0]}" "\${places[@]}" node ls --format jsonl 2>/dev/null | sed -n 's/.*"hostname":"\\([^"]*\\)".*/\\1/p')"
  else case "$path" in
${cases.join("\n")}
  esac; fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _swarmctl swarmctl
`;
