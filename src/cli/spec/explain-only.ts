import type { ServiceSpec } from "../../model/index.js";
import type { ExplainResponse } from "../../gen/swarm/v1/ExplainResponse.js";
import type { CommandInput, FlagSpec } from "../command.js";
import { exitCode } from "../exit-codes.js";
import { choose } from "../parse/key-value.js";
import { explanationText } from "../print/explanation.js";

export const explainFlags: readonly FlagSpec[] = [
  { name: "explain-only", kind: "switch", group: "Trying out", help: "Only say where the tasks would go, or why they fit nowhere; nothing is submitted" },
  { name: "format", kind: "text", value: "FORMAT", group: "Trying out", help: "With --explain-only: text (for people) or json (the whole answer)" },
];

export const explainNotes = "With --explain-only the exit code is 0 where every task would get a node, and 3 where one would not.";

/** What would become of `spec`; `service`: the one that it would change, "" = a new one. */
export async function explainOnly({ connection, terminal, flags }: CommandInput, spec: ServiceSpec, service: string): Promise<number> {
  const isJson = choose(flags.text("format") ?? "text", "--format", { text: false, json: true } as const);
  const answer = await connection.control<ExplainResponse>("explain", { spec, service, names: isJson ? 1_000 : 5 });
  terminal.out(isJson ? `${JSON.stringify(answer, undefined, 2)}\n` : explanationText(terminal, answer));
  return answer.fits ? exitCode.done : exitCode.notConverged;
}
