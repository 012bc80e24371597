import { labList } from "../lab/index.js";
import type { CommandInput, FlagSpec } from "./command.js";
import { SwarmError } from "../lib/index.js";

export const defaultLab = "lab";

export const labNameFlag: FlagSpec = { name: "name", short: "n", kind: "text", value: "LAB", help: "Which lab (default: the current context's, or the only one)" };

/** --name, else the lab of the chosen context, else the only lab there is. */
export function labNameOf({ flags, contexts, environment }: Pick<CommandInput, "flags" | "contexts" | "environment">): string {
  const given = flags.text("name");
  if (given !== undefined) return given;
  const labs = [...new Set(labList().map((row) => row.lab))];
  const context = flags.text("context") ?? (environment["SKEIN_CONTEXT"] || contexts.current);
  if (labs.includes(context)) return context;
  if (labs.length === 1) return labs[0]!;
  throw new SwarmError("INVALID_ARGUMENT", labs.length === 0
    ? "There is no lab on this machine: make one with \"swarmctl lab up\"."
    : `There are several labs, ${labs.map((lab) => `"${lab}"`).join(", ")}: choose one with --name.`);
}
