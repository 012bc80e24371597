import { SwarmError } from "../../../lib/index.js";
import type { Command } from "../../command.js";
import { formatTaint, type Taint } from "../../../model/index.js";
import { choose, parseLabels } from "../../parse/key-value.js";
import { isTaintNamed, parseTaint } from "../../parse/placement.js";
import { changeNode, nodeName } from "../../spec/change-node.js";
import { availabilities } from "../../spec/node-flags.js";

const names = ["availability", "role", "label-add", "label-rm", "taint-add", "taint-rm"];

export default {
  usage: "[OPTIONS] NODE",
  about: "Changes a node's availability, labels, taints or role.",
  args: { min: 1 },
  flags: [
    { name: "availability", kind: "text", value: "WHICH", help: "active, pause (no new tasks) or drain (its tasks move away)" },
    { name: "label-add", kind: "list", value: "KEY=VALUE", help: "Add or change a label, as constraints see it: node.labels.KEY" },
    { name: "label-rm", kind: "list", value: "KEY", help: "Remove a label" },
    { name: "taint-add", kind: "list", value: "KEY[=VALUE]:EFFECT", help: "Keep tasks away that do not tolerate it: no-schedule (no new ones), prefer-no-schedule (only where nothing else fits) or no-execute (those that run move away too)" },
    { name: "taint-rm", kind: "list", value: "KEY[:EFFECT]", help: "Remove a taint" },
    { name: "role", kind: "text", value: "ROLE", help: "worker or manager" },
  ],
  examples: [["swarmctl node update --availability drain h4", "Move its tasks away"], ["swarmctl node update --label-add disk=ssd h4", "A label for constraints"], ["swarmctl node update --taint-add dedicated=ml:no-schedule h4", "Only for services with --tolerate dedicated"]],
  async run(input) {
    const { flags, args, terminal } = input;
    if (!names.some((name) => flags.has(name))) throw new SwarmError("INVALID_ARGUMENT", `Nothing to change was given for "${args[0]}": see "swarmctl node update --help".`);
    const node = await changeNode(input, args[0]!, (spec) => {
      for (const key of flags.list("label-rm")) {
        if (!Object.hasOwn(spec.labels, key)) throw new SwarmError("NOT_FOUND", `Cannot remove the label "${key}" of node "${args[0]}": it has none of that name.`);
      }
      return {
        ...spec,
        availability: flags.has("availability") ? choose(flags.text("availability")!, "--availability", availabilities) : spec.availability,
        desiredRole: flags.has("role") ? choose(flags.text("role")!, "--role", { worker: "WORKER", manager: "MANAGER" } as const) : spec.desiredRole,
        labels: {
          ...Object.fromEntries(Object.entries(spec.labels).filter(([key]) => !flags.list("label-rm").includes(key))),
          ...parseLabels(flags.list("label-add"), "--label-add"),
        },
        taints: taintsOf(spec.taints, flags.list("taint-add"), flags.list("taint-rm"), args[0]!),
      };
    });
    terminal.out(`${nodeName(node)}\n`);
  },
} satisfies Command as Command;

/** One of a key and effect takes the place of another. */
function taintsOf(before: readonly Taint[], added: readonly string[], removed: readonly string[], node: string): Taint[] {
  const flag = "--taint-rm";
  for (const text of removed) {
    if (!before.some((taint) => isTaintNamed(taint, text, flag))) throw new SwarmError("NOT_FOUND", `Cannot remove the taint "${text}" of node "${node}": it has ${before.length ? before.map((taint) => `"${formatTaint(taint)}"`).join(", ") : "no taints"}.`);
  }
  const kept = before.filter((taint) => !removed.some((text) => isTaintNamed(taint, text, flag)));
  return [...new Map([...kept, ...added.map((text) => parseTaint(text, "--taint-add"))].map((taint) => [`${taint.key}:${taint.effect}`, taint])).values()];
}
