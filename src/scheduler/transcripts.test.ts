import assert from "node:assert/strict";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { flagsOf, Flags, parseFlags } from "../cli/flags.js";
import { parseShellWords } from "../cli/parse/shell-words.js";
import { createFlags, sharedFlags } from "../cli/spec/service-flags.js";
import { createSpec } from "../cli/spec/create-spec.js";
import { messageOf } from "../lib/index.js";
import { problemOfServiceSpec, withServiceDefaults, type ServiceSpec, type TaintEffect } from "../model/index.js";
import { explainRefusals, sentenceOf } from "./core/explain/index.js";
import { Placer } from "./core/place/index.js";
import { ClusterState, nowhere } from "./core/state/index.js";
import { addService, nodeOf } from "./testing.js";

/**
 * Transcripts: what the scheduler does with services written as `swarmctl service create` takes them.
 *   $ node NAME cpu=4 memory=8192 label.KEY=VALUE attr.KEY=VALUE gpu.MODEL=2 generic.KIND=3 taint.KEY=VALUE:EFFECT plugin=NAME arch=NAME down drained
 *   $ service --name NAME …      its tasks' nodes; why the others wait
 *   $ rank NAME                  nodes for one more task, best first, with what the score is made of
 *   $ failures NAME NODE 5       so many of the service's tasks failed there just now
 *   $ stop NAME                  its tasks end
 *   $ new                        an empty cluster
 * UPDATE_TRANSCRIPTS=1 writes the files anew; read the difference.
 */
const directory = fileURLToPath(new URL("./testdata/", import.meta.url));
const nowMs = 1_000_000;

class Transcript {
  #state = new ClusterState();
  #placer = this.#newPlacer();
  readonly #services = new Map<string, { g: number; tasks: number[] }>();

  run(line: string): string[] {
    const [verb, ...words] = parseShellWords(line, "line");
    switch (verb) {
      case "new": this.#state = new ClusterState(); this.#placer = this.#newPlacer(); this.#services.clear(); return [];
      case "node": this.#state.setNode(parseNode(words)); return [];
      case "service": return this.#place(parseService(words));
      case "rank": return this.#placer.rank(this.#service(words[0]!).g, 10).map(({ n, total, terms }) =>
        `${this.#state.nodes.names[n]}  ${points(total)}${terms.length > 0 ? ` = ${terms.map(({ name, value }) => `${name} ${points(value)}`).join(", ")}` : ""}`);
      case "failures": for (let i = 0; i < Number(words[2]); i++) this.#state.failures.note(this.#state.nodes.rowOf(words[1]!)!, `${words[0]}.1`, nowMs); return [];
      case "stop": for (const t of this.#service(words[0]!).tasks) this.#state.removeTask(t); return [];
      default: return assert.fail(`no such command: ${line}`);
    }
  }

  #newPlacer(): Placer { return new Placer(this.#state, { defaultStrategy: "PACK", nowMs: () => nowMs }); }
  #service(name: string) { return this.#services.get(name) ?? assert.fail(`no service ${name}`); }

  #place(spec: ServiceSpec): string[] {
    const state = this.#state;
    const { g, tasks } = addService(state, spec.name, spec);
    this.#services.set(spec.name, { g, tasks });
    const placed = this.#placer.place(g, tasks);
    const byNode = new Map<string, string[]>();
    for (const t of tasks.slice(0, placed)) {
      const name = state.nodes.names[state.tasks.nodeOf(t)]!;
      byNode.set(name, [...(byNode.get(name) ?? []), state.tasks.ids[t]!.split(".").at(-1)!]);
    }
    const lines = [...byNode].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, slots]) => `${name}  ${spec.name}.${slots.join(",")}`);
    const left = tasks.filter((t) => state.tasks.nodeOf(t) === nowhere);
    return left.length === 0 ? lines : [...lines, `${left.length} of ${tasks.length} wait: ${sentenceOf(explainRefusals(state, g))}`];
  }
}

/** As the API would take it: a spec that it refuses is answered with the reason. */
function parseService(argv: readonly string[]): ServiceSpec {
  const declared = flagsOf({ flags: [...createFlags, ...sharedFlags] });
  const { values, words } = parseFlags("swarmctl service create", declared, [...argv, "app"], true);
  const spec = withServiceDefaults(createSpec({ flags: new Flags(declared, values), words, environment: {}, readFile: () => "", randomSuffix: () => "x" }));
  const problem = problemOfServiceSpec(spec);
  if (problem !== undefined) throw new Error(problem);
  return spec;
}

function parseNode([name = "", ...words]: readonly string[]) {
  const under = (prefix: string) => Object.fromEntries(words.filter((word) => word.startsWith(`${prefix}.`)).map((word) => { const at = word.indexOf("="); return [word.slice(prefix.length + 1, at), word.slice(at + 1)]; }));
  const one = (key: string) => words.find((word) => word.startsWith(`${key}=`))?.slice(key.length + 1);
  const numbers = (from: Record<string, string>) => Object.fromEntries(Object.entries(from).map(([key, value]) => [key, Number(value)]));
  const node = nodeOf(name, {
    cpu: Number(one("cpu") ?? 4), memoryMiB: Number(one("memory") ?? 8192), labels: under("label"), gpus: numbers(under("gpu")), generic: numbers(under("generic")),
    taints: Object.entries(under("taint")).map(([key, text]) => { const [value = "", effect = ""] = text.split(":"); return { key, value, effect: effect.toUpperCase().replaceAll("-", "_") as TaintEffect }; }),
    isDown: words.includes("down"), isDrained: words.includes("drained"),
  });
  return { ...node, description: { ...node.description!, attributes: under("attr"), arch: one("arch") ?? "amd64", plugins: words.filter((word) => word.startsWith("plugin=")).map((word) => word.slice("plugin=".length)) } };
}

const points = (value: number): string => String(Number(value.toFixed(2)));

describe("scheduler transcripts", () => {
  for (const file of readdirSync(directory).filter((name) => name.endsWith(".txt"))) {
    it(`${file} is what happens`, () => {
      const text = readFileSync(`${directory}${file}`, "utf8");
      const transcript = new Transcript();
      const output: string[] = [];
      for (const line of text.split("\n")) {
        if (line.startsWith("#") || line === "") { output.push(line); continue; }
        if (!line.startsWith("$ ")) continue;
        output.push(line);
        try {
          output.push(...transcript.run(line.slice(2)).map((each) => `  ${each}`));
        } catch (error) { output.push(`  refused: ${messageOf(error)}`); }
      }
      const actual = output.join("\n");
      if (process.env["UPDATE_TRANSCRIPTS"]) writeFileSync(`${directory}${file}`, actual);
      assert.equal(text, actual);
    });
  }
});
