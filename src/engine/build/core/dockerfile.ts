import type { From, Instruction, InstructionOf } from "./instructions.js";
import { splitDockerfile } from "./lines.js";
import { parseError } from "./parse-error.js";
import { parseInstruction } from "./parse-instruction.js";

export interface Stage { readonly from: From; readonly instructions: readonly Instruction[] }

export interface Dockerfile {
  readonly escape: "\\" | "`";
  readonly syntax: string | undefined;
  /** ARGs before the first FROM: only FROM sees them. */
  readonly metaArgs: readonly InstructionOf<"arg">[];
  readonly stages: readonly Stage[];
  readonly warnings: readonly string[];
}

const instructionsMax = 10_000;

/** A Dockerfile's text → stages of instructions, or an error that names the line. */
export function parseDockerfile(source: string): Dockerfile {
  const { lines, escape, syntax, warnings } = splitDockerfile(source);
  if (lines.length === 0) throw parseError(1, "the Dockerfile is empty: it needs a FROM at least");
  if (lines.length > instructionsMax) throw parseError(lines[instructionsMax]!.line, `there are more than ${instructionsMax} instructions`);
  const metaArgs: InstructionOf<"arg">[] = [];
  const stages: { from: From; instructions: Instruction[] }[] = [];
  for (const line of lines) {
    const parsed = parseInstruction(line, escape);
    const stage = stages.at(-1);
    if (parsed.kind === "from") {
      if (parsed.alias !== undefined && stages.some((each) => each.from.alias?.toLowerCase() === parsed.alias!.toLowerCase())) throw parseError(line.line, `duplicate name ${parsed.alias}: an earlier stage has it`);
      stages.push({ from: parsed, instructions: [] });
    } else if (stage) stage.instructions.push(parsed);
    else if (parsed.kind === "arg") metaArgs.push(parsed);
    else throw parseError(line.line, `no build stage in current context: ${parsed.kind.toUpperCase()} stands before the first FROM`);
  }
  if (stages.length === 0) throw parseError(lines.at(-1)!.line, "no build stage in the Dockerfile: it needs a FROM");
  return { escape, syntax, metaArgs, stages, warnings };
}

/** Instructions that an image brings for those that are built on it. */
export function parseTriggers(triggers: readonly string[]): Instruction[] {
  return triggers.flatMap((trigger) => {
    const { lines } = splitDockerfile(trigger);
    return lines.map((line) => {
      const parsed = parseInstruction(line, "\\");
      if (parsed.kind === "from" || parsed.kind === "maintainer") throw parseError(line.line, `${parsed.kind.toUpperCase()} isn't allowed as an ONBUILD trigger`);
      if (parsed.kind === "onbuild") throw parseError(line.line, "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
      return parsed;
    });
  });
}
