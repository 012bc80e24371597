import type { ExplainResponse } from "../../gen/swarm/v1/ExplainResponse.js";
import type { Command } from "../command.js";
import { parseCount } from "../parse/number.js";
import { choose } from "../parse/key-value.js";
import { explanationText } from "../print/explanation.js";

export default {
  usage: "[OPTIONS] TASK|SERVICE",
  about: "Says why a task is where it is or why it waits: what keeps which nodes out and how much is missing there, the smallest change that would make it fit, and the scores of the nodes that fit.",
  args: { min: 1 },
  flags: [
    { name: "nodes", kind: "switch", help: "Every node with everything that refuses it there" },
    { name: "top", kind: "text", value: "N", help: "Rows of the score table (default 5)" },
    { name: "format", kind: "text", value: "FORMAT", help: "text (for people) or json (the whole answer)" },
  ],
  examples: [
    ["swarmctl explain web.3", "One task"],
    ["swarmctl explain web", "A service: why its tasks wait, or how many more would fit"],
    ["swarmctl explain --nodes --format json web", "Every node, for a program"],
  ],
  notes: "ALONE counts the nodes that nothing else keeps out. Every suggestion was tried on a copy of the cluster as it is now. For a service that is not created yet: \"swarmctl service create --explain-only …\".",
  async run({ flags, args, terminal, connection }) {
    const isJson = choose(flags.text("format") ?? "text", "--format", { text: false, json: true } as const);
    const top = flags.text("top") === undefined ? 0 : parseCount(flags.text("top")!, "--top", { min: 1, max: 1_000 });
    const answer = await connection.control<ExplainResponse>("explain", { ref: args[0]!, names: isJson ? 1_000 : 5, candidates: top, perNode: flags.on("nodes") });
    terminal.out(isJson ? `${JSON.stringify(answer, undefined, 2)}\n` : explanationText(terminal, answer));
  },
} satisfies Command as Command;
