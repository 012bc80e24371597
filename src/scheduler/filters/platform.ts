import { canonicalArch } from "../../model/index.js";
import type { NodeInfo } from "../core/cluster-state.js";
import { groupByDetail, type Filter } from "../core/filter.js";

/** Where the platforms of the image are known ("linux/amd64"), the node must be one of them. */
export const platformFilter: Filter = {
  name: "platform",
  concerns: (shape) => shape.platforms.length > 0,
  room: (shape, node) => (shape.platforms.some((platform) => matches(platform, node)) ? Infinity : 0),
  explain: (shape, nodes) => groupByDetail(nodes, ({ node }) => `image is for ${shape.platforms.join(", ")}, node is ${node.description?.os}/${canonicalArch(node.description?.arch ?? "")}`),
};

function matches(platform: string, { node }: NodeInfo): boolean {
  const [os = "", arch = ""] = platform.split("/");
  return (os === "" || os.toLowerCase() === node.description?.os.toLowerCase())
    && (arch === "" || canonicalArch(arch) === canonicalArch(node.description?.arch ?? ""));
}
