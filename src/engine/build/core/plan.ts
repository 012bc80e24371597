import { SwarmError } from "../../../lib/index.js";
import type { Dockerfile, Stage } from "./dockerfile.js";
import type { Instruction } from "./instructions.js";
import { nearest } from "./parse-error.js";
import { parseMount } from "./mount-flag.js";

/** Where files come from: an earlier stage, or an image of that name. */
export type StageSource = { readonly kind: "stage"; readonly index: number } | { readonly kind: "image"; readonly reference: string };

export interface BuildPlan {
  readonly target: number;
  /** The stages that the target needs, in the file's order. */
  readonly needed: readonly number[];
  /** "Step 3/7": where each needed stage begins to count, and how many there are. */
  readonly firstStep: ReadonlyMap<number, number>;
  readonly steps: number;
}

/** What has to be built for the target: stages refer to earlier ones only, so there are no cycles. */
export function planBuild(dockerfile: Dockerfile, images: readonly string[], targetName: string | undefined): BuildPlan {
  const { stages, metaArgs } = dockerfile;
  const target = targetName === undefined || targetName === "" ? stages.length - 1 : findTarget(stages, targetName);
  const needed = new Set<number>();
  const visit = (index: number): void => {
    if (needed.has(index)) return;
    needed.add(index);
    for (const source of sourcesOf(dockerfile, index, images[index]!)) if (source.kind === "stage") visit(source.index);
  };
  visit(target);
  const ordered = [...needed].sort((a, b) => a - b);
  const firstStep = new Map<number, number>();
  let steps = metaArgs.length;
  for (const index of ordered) { firstStep.set(index, steps + 1); steps += 1 + stages[index]!.instructions.length; }
  return { target, needed: ordered, firstStep, steps };
}

/** FROM: names of earlier stages first, else an image. */
export function baseOf(stages: readonly Stage[], index: number, image: string): StageSource {
  const earlier = stages.findIndex((stage, i) => i < index && stage.from.alias !== undefined && stage.from.alias.toLowerCase() === image.toLowerCase());
  return earlier >= 0 ? { kind: "stage", index: earlier } : { kind: "image", reference: image };
}

/** `--from` of COPY and of mounts: a name, a number, or an image. */
export function sourceOf(stages: readonly Stage[], index: number, from: string): StageSource {
  if (/^\d+$/.test(from)) {
    const number = Number(from);
    if (number >= index) throw new SwarmError("INVALID_ARGUMENT", `invalid from flag value ${from}: ${number === index ? "a stage cannot copy from itself" : `only the stages before this one can be named, 0 to ${index - 1}`}`);
    return { kind: "stage", index: number };
  }
  if (stages[index]!.from.alias?.toLowerCase() === from.toLowerCase()) throw new SwarmError("INVALID_ARGUMENT", `invalid from flag value ${from}: refers to current build stage`);
  const later = stages.findIndex((stage, i) => i > index && stage.from.alias?.toLowerCase() === from.toLowerCase());
  if (later >= 0) throw new SwarmError("INVALID_ARGUMENT", `invalid from flag value ${from}: that stage comes later in the Dockerfile; move it before this one`);
  return baseOf(stages, index, from);
}

function* sourcesOf({ stages }: Dockerfile, index: number, image: string): Generator<StageSource> {
  yield baseOf(stages, index, image);
  for (const instruction of stages[index]!.instructions) for (const from of fromFlags(instruction)) yield sourceOf(stages, index, from);
}

/** Names behind `from=`; one with a variable is known only when its step comes. */
function fromFlags(instruction: Instruction): string[] {
  const names = instruction.kind === "copy" && instruction.from !== undefined ? [instruction.from]
    : instruction.kind === "run" ? instruction.mounts.flatMap((mount) => parseMount(mount, instruction.line).from ?? []) : [];
  return names.filter((name) => !name.includes("$"));
}

function findTarget(stages: readonly Stage[], name: string): number {
  const named = stages.findIndex((stage) => stage.from.alias?.toLowerCase() === name.toLowerCase());
  if (named >= 0) return named;
  if (/^\d+$/.test(name) && Number(name) < stages.length) return Number(name);
  const aliases = stages.flatMap((stage) => stage.from.alias ?? []);
  const near = nearest(name, aliases);
  throw new SwarmError("INVALID_ARGUMENT", `target stage "${name}" could not be found${near ? ` (did you mean ${near}?)` : `; ${aliases.length > 0 ? `the stages are ${aliases.join(", ")}` : "no stage of the Dockerfile has a name"}`}`);
}
