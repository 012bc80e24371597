import { SwarmError } from "../../lib/index.js";
import type { NetworkAttachmentConfig } from "../../model/index.js";
import { parseFields } from "./fields.js";

/** "front" or "name=front,alias=www,alias=web" */
export function parseNetwork(text: string, flag = "--network"): NetworkAttachmentConfig {
  if (!text.includes("=")) {
    if (!text) throw new SwarmError("INVALID_ARGUMENT", `The value of ${flag} is empty: write a network's name.`);
    return { target: text, aliases: [] };
  }
  const aliases = text.split(",").filter((part) => part.startsWith("alias=")).map((part) => part.slice("alias=".length));
  const fields = parseFields(text, flag, { name: "name", target: "name", alias: "alias" });
  const target = fields.get("name");
  if (!target) throw new SwarmError("INVALID_ARGUMENT", `Cannot read "${text}" of ${flag}: the network's name is missing; write name=NETWORK,alias=NAME.`);
  return { target, aliases };
}
