import { SwarmError } from "../../lib/index.js";
import { stateOf, isTerminal, isWanted, type Network, type Node, type Service, type Task, type Volume } from "../../model/index.js";
import type { ReadTx, Tables } from "../../store/index.js";

export type Noun = "service" | "node" | "network" | "volume" | "task";

export const nameOf = {
  service: (service: Service): string => service.spec?.name ?? "",
  network: (network: Network): string => network.spec?.name ?? "",
  volume: (volume: Volume): string => volume.spec?.name ?? "",
  node: (node: Node): string => node.description?.hostname ?? "",
};

/** Finds what a ref names: an id, a name, or the beginning of one id. `action` begins the sentence of a refusal: 'Cannot update'. */
export function resolveRef<K extends Noun>(tx: ReadTx, noun: K, ref: string, action: string): Tables[K] {
  const refuse = (code: "NOT_FOUND" | "INVALID_ARGUMENT", why: string) => new SwarmError(code, `${action} ${noun} "${ref.slice(0, 100)}": ${why}`);
  if (ref === "") throw new SwarmError("INVALID_ARGUMENT", `${action} a ${noun}: no name or id is given`);
  const exact = tx.get(noun, ref);
  if (exact) return exact;
  const named = byName(tx, noun, ref);
  if (named.length === 1) return named[0]!;
  if (named.length > 1) throw refuse("INVALID_ARGUMENT", `${named.length} ${noun}s have that name; give one of their ids: ${someIds(named)}`);
  const begun = tx.list(noun).filter(({ id }) => id.startsWith(ref));
  if (begun.length === 1) return begun[0]! as Tables[K];
  if (begun.length > 1) throw refuse("INVALID_ARGUMENT", `the ids of ${begun.length} ${noun}s begin with it; give more of the id: ${someIds(begun)}`);
  throw refuse("NOT_FOUND", `there is no such ${noun}; "swarmctl ${noun === "task" ? "service ps" : noun === "volume" ? "volume ls --cluster" : `${noun} ls`}" lists what there is`);
}

function byName<K extends Noun>(tx: ReadTx, noun: K, name: string): Tables[K][] {
  return (noun === "task" ? taskByName(tx, name) : tx.byName(noun as "service" | "node" | "network" | "volume", name)) as Tables[K][];
}

/** "web.3", and of a global service "web.NODE", by id or host name: of that slot's tasks the one that people mean now. Names of services hold no dots, host names may. */
function taskByName(tx: ReadTx, name: string): Task[] {
  const dot = name.indexOf(".");
  const [service] = dot > 0 ? tx.byName("service", name.slice(0, dot)) : [];
  if (!service) return [];
  const rest = name.slice(dot + 1);
  const tasks = /^[1-9]\d{0,5}$/.test(rest) ? tx.tasksOfSlot(service.id, Number(rest)) : tx.tasksOfSlot(service.id, 0).filter(({ nodeId }) => nodeId === rest || isHostName(tx, nodeId, rest));
  return tasks.sort((a, b) => rank(b) - rank(a) || (b.meta?.createdAtMs ?? 0) - (a.meta?.createdAtMs ?? 0)).slice(0, 1);
}

function isHostName(tx: ReadTx, nodeId: string, name: string): boolean {
  const node = tx.get("node", nodeId);
  return node !== undefined && nameOf.node(node) === name;
}

const rank = (task: Task): number => (isWanted(task) ? 2 : 0) + (isTerminal(stateOf(task)) ? 0 : 1);

const someIds = (objects: readonly { readonly id: string }[]): string => `${objects.slice(0, 5).map(({ id }) => id).join(", ")}${objects.length > 5 ? ", …" : ""}`;
