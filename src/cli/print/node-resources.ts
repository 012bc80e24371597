import type { NodeReserved } from "../../gen/swarm/v1/NodeReserved.js";
import type { Node, Task } from "../../model/index.js";

/** "2.5/8": reserved of what there is; "8" where nobody has added up what is reserved. */
export function ofTotal(reserved: number | undefined, total: number | undefined, words: (amount: number) => string): string {
  if (total === undefined) return "";
  return reserved === undefined ? words(total) : `${words(reserved)}/${words(total)}`;
}

/** "1.5/4 A100, 0/1 T4" */
export function gpuWords(node: Node, reserved: NodeReserved | undefined): string {
  const models = new Map<string, { total: number; millis: number }>();
  const used = new Map(reserved?.gpus.map(({ id, millis }) => [id, millis]));
  for (const { id, model } of node.description?.resources?.gpus ?? []) {
    const sum = models.get(model) ?? { total: 0, millis: 0 };
    models.set(model, { total: sum.total + 1, millis: sum.millis + (used.get(id) ?? 0) });
  }
  return [...models].map(([model, { total, millis }]) => `${ofTotal(reserved && millis / 1_000, total, String)} ${model}`).join(", ");
}

/** "fpga 1/2, licence 0/3" */
export function genericWords(node: Node, reserved: NodeReserved | undefined): string {
  const used = new Map(reserved?.amounts?.generic.map(({ kind, count }) => [kind, count]));
  return (node.description?.resources?.generic ?? []).map(({ kind, count, ids }) => `${kind} ${ofTotal(reserved && (used.get(kind) ?? 0), ids.length || count, String)}`).join(", ");
}

/** What the scheduler gave a task of its node: "GPU-1b2c (0.5), fpga f1 f2, licence 3" */
export const heldWords = ({ gpus, assigned }: Task): string => [
  ...gpus.map(({ id, millis }) => (millis < 1_000 ? `${id} (${millis / 1_000})` : id)),
  ...assigned.map(({ kind, count, ids }) => `${kind} ${ids.length > 0 ? ids.join(" ") : count}`),
].join(", ");
