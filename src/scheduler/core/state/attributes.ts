import { nodeAttribute, type Node } from "../../../model/index.js";
import { Interner, grown } from "./columns.js";

/** Nodes by the value of one attribute ("node.labels.rack"): what is spread over, limited by, or shared. */
export interface AttributeColumn {
  readonly key: string;
  /** "" is the value of nodes that lack the label. */
  readonly values: Interner;
  /** Row of `values` by node. */
  valueOf: Int32Array;
}

/** A column for each attribute that anybody asked for. */
export class AttributeTable {
  readonly #columns = new Map<string, AttributeColumn>();

  column(key: string, nodes: readonly (Node | undefined)[]): AttributeColumn {
    let column = this.#columns.get(key);
    if (!column) {
      column = { key, values: new Interner([""]), valueOf: new Int32Array(nodes.length) };
      this.#columns.set(key, column);
      for (let n = 0; n < nodes.length; n++) if (nodes[n]) fill(column, n, nodes[n]!);
    }
    return column;
  }

  get isEmpty(): boolean { return this.#columns.size === 0; }

  setNode(n: number, node: Node | undefined): void {
    for (const column of this.#columns.values()) {
      if (n >= column.valueOf.length) column.valueOf = grown(column.valueOf, Math.max(n + 1, column.valueOf.length * 2));
      if (node) fill(column, n, node);
      else column.valueOf[n] = 0;
    }
  }

  /** Columns that `copy` does not have yet, one in each step. */
  *copyTo(copy: AttributeTable): Generator<void> {
    for (const [key, column] of this.#columns) {
      if (copy.#columns.has(key)) continue;
      copy.#columns.set(key, { key, values: column.values.copy(), valueOf: column.valueOf.slice() });
      yield;
    }
  }

  /** The values of these nodes again, and columns that are new. */
  *copyAgain(copy: AttributeTable, nodes: readonly number[]): Generator<void> {
    for (const [key, { values, valueOf }] of this.#columns) {
      const column = copy.#columns.get(key);
      if (!column) continue;
      if (column.valueOf.length < valueOf.length) column.valueOf = grown(column.valueOf, valueOf.length);
      for (const n of nodes) column.valueOf[n] = column.values.rowOf(values.names[valueOf[n] ?? 0]!);
      yield;
    }
    yield* this.copyTo(copy);
  }
}

function fill(column: AttributeColumn, n: number, node: Node): void {
  column.valueOf[n] = column.values.rowOf(nodeAttribute(node, column.key) ?? "");
}
