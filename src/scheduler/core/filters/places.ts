import type { ClusterState } from "../state/index.js";

/**
 * Where somebody is refused because of what is in a place: a node, or the nodes that share a value of an attribute. Nodes that differ only in their place are told
 * together: "it runs on nodes n1, n2 and 3 more".
 */
export interface RefusedPlace {
  readonly key: string;
  readonly value: string;
  /** The whole refusal where there are several places; `places` names them. */
  readonly words: (places: string) => string;
}

/** "node.labels.zone=a"; "node n3" where the key is the node itself. */
export const placeText = (state: ClusterState, key: string, n: number): string => (key === "node.id" ? `node ${valueText(state, key, n)}` : `${key}=${valueText(state, key, n)}`);

export function valueText(state: ClusterState, key: string, n: number): string {
  if (key === "node.id") return state.nodes.names[n]!;
  const { values, valueOf } = state.attribute(key);
  const value = values.names[valueOf[n]!]!;
  if (value === "") return "(none)";
  return value.length > longestValue ? `${value.slice(0, longestValue)}…` : value;
}

/** A label may hold a page of text, and a sentence must stay one. */
const longestValue = 80;

/** Named of several places: the rest is a number. */
const named = 2;

/** "nodes n1, n2 and 3 more", "node.labels.zone=a and b" */
function placesText(key: string, values: readonly string[]): string {
  const prefix = key === "node.id" ? "nodes " : `${key}=`;
  if (values.length <= named) return `${prefix}${values.join(" and ")}`;
  return `${prefix}${values.slice(0, named).join(", ")} and ${values.length - named} more`;
}

/** The places of one cause, as nodes are looked at. */
export class Places {
  readonly #values = new Set<string>();
  #last: RefusedPlace | undefined;

  add(place: RefusedPlace): void {
    this.#values.add(place.value);
    this.#last = place;
  }

  /** `detail`: what is said of the first node, which is enough where it is the only place. */
  text(detail: string): string { return this.#last && this.#values.size > 1 ? this.#last.words(placesText(this.#last.key, [...this.#values])) : detail; }
}
