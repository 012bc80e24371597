import { SwarmError } from "../../lib/index.js";
import { isDeviceWord, type GpuDevice, type Resources } from "../../model/index.js";
import { parseCount } from "./number.js";
import { parseAmounts } from "./resources.js";

export interface NewNodes { readonly count: number; readonly resources: Resources; readonly labels: Record<string, string> }

/** "3x(cpu=8,memory=32g,gpu=2:A100,label.disk=ssd)", or without count and parentheses. */
export function parseNewNodes(text: string, flag: string): NewNodes {
  const [, count = "1", inParentheses, bare] = /^\s*(?:(\d+)\s*x\s*)?(?:\(([^()]*)\)|([^()]*))\s*$/i.exec(text) ?? [];
  const fields = (inParentheses ?? bare ?? "").trim();
  if (fields === "") throw new SwarmError("INVALID_ARGUMENT", `Cannot read "${text}" of ${flag}: write what each node has, such as 3x(cpu=8,memory=32g,gpu=2:A100,label.disk=ssd).`);
  const labels: Record<string, string> = {};
  let gpus: GpuDevice[] = [];
  const amounts = fields.split(",").filter((field) => {
    const [key = "", value = ""] = field.trim().split(/=(.*)/s);
    if (key.startsWith("label.") && key.length > "label.".length) { labels[key.slice("label.".length)] = value; return false; }
    if (key !== "gpu") return true;
    gpus = parseDevices(value, text, flag);
    return false;
  });
  const resources = amounts.length === 0 ? parseAmounts("pids=0", flag) : parseAmounts(amounts.join(","), flag, { "label.NAME": () => {} });
  return { count: parseCount(count, `${flag} NUMBERx`, { min: 1, max: 10_000 }), resources: { ...resources, gpus }, labels };
}

/** "2:A100" → two devices. */
function parseDevices(value: string, text: string, flag: string): GpuDevice[] {
  const [count = "", model = ""] = value.split(/:(.*)/s);
  if (value.includes(":") && !isDeviceWord(model)) throw new SwarmError("INVALID_ARGUMENT", `Cannot read "${text}" of ${flag}: "${model}" is no model of a GPU; write gpu=2:A100.`);
  return Array.from({ length: parseCount(count, `${flag} gpu=`, { max: 31 }) }, () => ({ id: "", model, memoryBytes: 0 }));
}
