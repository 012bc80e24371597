import { SwarmError } from "../../lib/index.js";
import type { PortConfig } from "../../model/index.js";
import { parseFields } from "./fields.js";
import { choose } from "./key-value.js";

const known = { mode: "mode", target: "target", published: "published", protocol: "protocol" };
const protocols = { tcp: "TCP", udp: "UDP" } as const;

/** "8080:80", "8080:80/udp", "80" (the cluster chooses), "8080-8082:80-82", or "mode=host,target=80,published=8080,protocol=tcp". */
export function parsePublish(text: string, flag = "--publish"): PortConfig[] {
  return text.includes("=") ? [parseLong(text, flag)] : parseShort(text, flag);
}

function parseLong(text: string, flag: string): PortConfig {
  const fields = parseFields(text, flag, known);
  if (!fields.get("target")) throw refuse(text, flag, `the container's port is missing; add target=80.`);
  return {
    protocol: choose(fields.get("protocol") ?? "tcp", `"protocol" in ${flag}`, protocols),
    targetPort: port(fields.get("target")!, text, flag),
    publishedPort: fields.get("published") ? port(fields.get("published")!, text, flag) : 0,
    mode: choose(fields.get("mode") ?? "ingress", `"mode" in ${flag}`, { ingress: "INGRESS", host: "HOST" } as const),
  };
}

function parseShort(text: string, flag: string): PortConfig[] {
  const [ports, word = "tcp", ...more] = text.split("/");
  const parts = ports!.split(":");
  if (more.length || parts.length > 2) throw refuse(text, flag, "write PUBLISHED:TARGET, such as 8080:80 or 5353:53/udp.");
  const protocol = choose(word, `"${text}" in ${flag}`, protocols);
  const targets = range(parts.at(-1)!, text, flag);
  const published = parts.length === 2 ? range(parts[0]!, text, flag) : targets.map(() => 0);
  if (published.length !== targets.length) throw refuse(text, flag, "both ranges must have the same length.");
  return targets.map((targetPort, index) => ({ protocol, targetPort, publishedPort: published[index]!, mode: "INGRESS" as const }));
}

function range(word: string, text: string, flag: string): number[] {
  const [first, last = first] = word.split("-");
  const from = port(first!, text, flag);
  const to = port(last!, text, flag);
  if (to < from || to - from > 1000) throw refuse(text, flag, `"${word}" is not a range of at most 1000 ports.`);
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

function port(word: string, text: string, flag: string): number {
  const value = Number(word);
  if (!/^\d+$/.test(word) || value < 1 || value > 65535) throw refuse(text, flag, `"${word}" is not a port; a port is a number from 1 to 65535.`);
  return value;
}

const refuse = (text: string, flag: string, why: string) => new SwarmError("INVALID_ARGUMENT", `Cannot read "${text}" of ${flag}: ${why}`);
