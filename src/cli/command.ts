import type { Client } from "@grpc/grpc-js";
import type { Terminal } from "./terminal.js";
import type { ContextStore } from "./context.js";
import type { Connection } from "./connect.js";
import type { Flags } from "./flags.js";

/** One flag of a command. `text` takes a value (the last one counts), `list` may be repeated, `switch` takes none. */
export interface FlagSpec {
  readonly name: string;
  readonly short?: string;
  readonly kind: "text" | "list" | "switch";
  /** What the help calls the value: "KEY=VALUE". */
  readonly value?: string;
  /** Of a text flag that may be given without a value: what that means. */
  readonly bare?: string;
  readonly help: string;
  /** Heading in the help; "Options" when left out. */
  readonly group?: string;
}

/** A command as its module states it. */
export interface Command {
  /** What follows "swarmctl <noun> <verb>" in the help's first line: "[OPTIONS] IMAGE [COMMAND] [ARG…]". */
  readonly usage: string;
  readonly about: string;
  readonly flags: readonly FlagSpec[];
  /** How many words it takes. `max` left out: exactly `min`. */
  readonly args: { readonly min: number; readonly max?: number };
  /** Everything from the first word on belongs to the word: a command line of its own. */
  readonly stopsAtFirstWord?: boolean;
  readonly examples?: readonly (readonly [line: string, what: string])[];
  readonly notes?: string;
  /** The exit code; nothing is 0. */
  run(input: CommandInput): Promise<number | void>;
}

export interface CommandInput {
  readonly flags: Flags;
  readonly args: readonly string[];
  readonly terminal: Terminal;
  readonly connection: Connection;
  readonly contexts: ContextStore;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Fires on Ctrl-C. */
  readonly signal: AbortSignal;
  readonly now: () => number;
}

export type { Client };
