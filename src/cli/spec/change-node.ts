import { codeOf } from "../../lib/index.js";
import { newNodeSpec, type Node, type NodeSpec } from "../../model/index.js";
import type { GetNodeResponse } from "../../gen/swarm/v1/GetNodeResponse.js";
import type { UpdateNodeResponse } from "../../gen/swarm/v1/UpdateNodeResponse.js";
import type { CommandInput } from "../command.js";
import { present, readTo } from "../present.js";

const attempts = 5;

/** Reads a node, applies `change` to its spec and writes it back, provided that nobody else changed it in between. */
export async function changeNode(input: CommandInput, ref: string, change: (spec: NodeSpec, node: Node) => NodeSpec): Promise<Node> {
  for (let attempt = 1; ; attempt++) {
    const node = present((await readTo("change", input.connection.control<GetNodeResponse>("getNode", { ref }))).node, "node");
    const spec = change(node.spec ?? newNodeSpec(), node);
    try {
      return present((await input.connection.control<UpdateNodeResponse>("updateNode", { ref: node.id, version: node.meta?.version ?? 0, spec })).node, "node");
    } catch (error) {
      // A node's status changes often, and each change is a new version.
      if (codeOf(error) !== "ABORTED" || attempt === attempts) throw error;
    }
  }
}

export const nodeName = (node: Node): string => node.description?.hostname || node.id;
