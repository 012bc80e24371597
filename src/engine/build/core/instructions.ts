import type { HealthConfig } from "../../../model/index.js";
import type { Heredoc } from "./lines.js";

/** What RUN, CMD and ENTRYPOINT run: a line for the shell, or the program itself with its arguments. */
export type Command = { readonly form: "shell"; readonly line: string } | { readonly form: "exec"; readonly argv: readonly string[] };
export type Pairs = readonly (readonly [string, string])[];

/** One instruction as it was written: variables are still in it. */
export type Instruction = { readonly line: number; /** For "Step 1/3 : …". */ readonly text: string } & (
  | { readonly kind: "run"; readonly command: Command; readonly heredocs: readonly Heredoc[]; readonly mounts: readonly string[]; readonly network: "default" | "none" | "host" }
  | ({ readonly kind: "copy" | "add" } & CopyInstruction)
  | { readonly kind: "cmd" | "entrypoint"; readonly command: Command }
  | { readonly kind: "env" | "label"; readonly pairs: Pairs; /** `ENV name the rest`: one value, not words. */ readonly isOldForm: boolean }
  | { readonly kind: "arg"; readonly args: readonly { readonly name: string; readonly value: string | undefined }[] }
  | { readonly kind: "expose" | "volume"; readonly items: readonly string[] }
  | { readonly kind: "user" | "stopsignal" | "maintainer"; readonly value: string }
  | { readonly kind: "workdir"; readonly value: string }
  | { readonly kind: "onbuild"; readonly trigger: string; readonly inner: Instruction }
  | { readonly kind: "healthcheck"; readonly health: HealthConfig; readonly command: Command | undefined }
  | { readonly kind: "shell"; readonly argv: readonly string[] }
);
export type InstructionOf<K extends Instruction["kind"]> = Extract<Instruction, { readonly kind: K }>;

export interface CopyInstruction {
  readonly sources: readonly string[];
  readonly target: string;
  readonly heredocs: readonly Heredoc[];   // those of sources, which name them "<<EOF"
  readonly from: string | undefined;
  readonly chown: string | undefined;
  readonly chmod: string | undefined;
  readonly checksum: string | undefined;
  readonly excludes: readonly string[];
  /** ADD: archives are unpacked; undefined: those of the context are, those from a URL are not. */
  readonly isUnpacked: boolean | undefined;
}

/** What can stand in a stage's FROM, all of it with variables. */
export interface From { readonly line: number; readonly text: string; readonly image: string; readonly platform: string | undefined; readonly alias: string | undefined }
