/** Decisions in a thread of its own, one after the other. */
import { parentPort } from "node:worker_threads";
import { decidePacked, type PackedDecision } from "../core/pack/index.js";

export interface Asked { readonly id: number; readonly packed: PackedDecision }
export interface Answered { readonly id: number; readonly nodes: Int32Array<ArrayBuffer> }

parentPort!.on("message", ({ id, packed }: Asked) => {
  const nodes = Int32Array.from(decidePacked(packed));
  const answer: Answered = { id, nodes };
  parentPort!.postMessage(answer, [nodes.buffer]);
});
