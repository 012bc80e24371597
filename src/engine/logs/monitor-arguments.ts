import { join } from "node:path";
import type { ContainerConfig } from "../api/index.js";
import type { ContainerPaths } from "../paths.js";
import { logAttributes } from "./attributes.js";
import { resolveLogOptions } from "./drivers.js";
import type { LogForm } from "./record-scanner.js";

export const logPath = (form: LogForm, paths: ContainerPaths): string => (form === "json" ? paths.log : join(paths.logDirectory, "local.log"));

/** What a container's monitor is told about its log. */
export function logArguments(config: ContainerConfig, paths: ContainerPaths): string[] {
  const { form, maxSizeBytes, maxFiles, isCompressed, attributes } = resolveLogOptions(config.logDriver);
  if (form === "none") return [];
  const carried = form === "json" ? logAttributes(attributes, config) : "";
  return [
    "--log-file", logPath(form, paths), "--log-form", form, "--max-size", String(maxSizeBytes), "--max-file", String(maxFiles),
    ...(isCompressed ? ["--compress"] : []), ...(carried ? ["--log-attributes", carried] : []),
  ];
}
