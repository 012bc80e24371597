import { SwarmError } from "../../lib/index.js";
import type { LogDriver } from "../../model/index.js";

export interface LogOptions { readonly isKept: boolean; readonly maxSizeBytes: number; readonly maxFiles: number }

const defaultMaxSizeBytes = 10 * 1024 * 1024;
const defaultMaxFiles = 3;

/** json-file: max-size ("10m"; "-1" = no limit), max-file. none: nothing is kept. */
export function resolveLogOptions(driver: LogDriver | undefined): LogOptions {
  const name = driver?.name || "json-file";
  if (name === "none") return { isKept: false, maxSizeBytes: 0, maxFiles: 1 };
  if (name !== "json-file") throw new SwarmError("INVALID_ARGUMENT", `Log driver "${name}" is not known; use json-file or none`);
  for (const option of Object.keys(driver?.options ?? {})) {
    if (!["max-size", "max-file"].includes(option)) throw new SwarmError("INVALID_ARGUMENT", `Log option "${option}" is not known; json-file takes max-size and max-file`);
  }
  const size = driver?.options["max-size"];
  const files = driver?.options["max-file"];
  if (files !== undefined && !/^[1-9]\d{0,2}$/.test(files)) throw new SwarmError("INVALID_ARGUMENT", `Log option max-file "${files}" is not valid; use a number from 1 to 999`);
  return { isKept: true, maxSizeBytes: size === undefined ? defaultMaxSizeBytes : parseSize(size), maxFiles: files === undefined ? defaultMaxFiles : Number(files) };
}

function parseSize(text: string): number {
  if (text === "-1") return 0;
  const [, number, unit = ""] = /^(\d+(?:\.\d+)?)\s*([kmg]?)(?:i?b)?$/i.exec(text) ?? [];
  const bytes = Math.floor(Number(number) * { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[unit.toLowerCase()]!);
  if (!(bytes >= 1)) throw new SwarmError("INVALID_ARGUMENT", `Log option max-size "${text}" is not valid; write it like 512k, 10m or 1g`);
  return bytes;
}
