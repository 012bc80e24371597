import { once } from "node:events";
import type { Readable } from "node:stream";
import { createInterface } from "node:readline/promises";

/** Where a command reads and writes: a port, so that tests see every byte. */
export interface Terminal {
  /** To standard output. */
  out(text: string): void;
  /** To standard error. */
  err(text: string): void;
  /** Bytes as they are, no faster than they are read. */
  write(to: "out" | "err", bytes: Uint8Array): Promise<void>;
  /** Standard input; a terminal's can be made raw. */
  readonly input: Input;
  /** Calls back when the window changes its size; the result ends that. */
  onResize(listener: () => void): () => void;
  /** A person reads standard output, so columns may be coloured. */
  readonly outIsTty: boolean;
  /** A person reads standard error, so progress may be redrawn in place. */
  readonly errIsTty: boolean;
  /** Somebody can be asked. */
  readonly canAsk: boolean;
  readonly columns: number;
  readonly rows: number;
  readonly colors: boolean;
  ask(question: string): Promise<string>;
}

export type Input = Readable & { readonly isTTY?: boolean; setRawMode?(isRaw: boolean): unknown; unref?(): unknown };

/** The process's own streams. A reader that goes away (`swarmctl … | head`) ends the command quietly. */
export function processTerminal(environment: NodeJS.ProcessEnv): Terminal {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => { if (error.code === "EPIPE") process.exit(0); throw error; });
  }
  return {
    out: (text) => { process.stdout.write(text); },
    err: (text) => { process.stderr.write(text); },
    async write(to, bytes) {
      const stream = to === "out" ? process.stdout : process.stderr;
      if (!stream.write(bytes)) await once(stream, "drain");
    },
    input: process.stdin,
    onResize(listener) { process.stdout.on("resize", listener); return () => process.stdout.off("resize", listener); },
    outIsTty: process.stdout.isTTY === true,
    errIsTty: process.stderr.isTTY === true,
    canAsk: process.stdin.isTTY === true && process.stderr.isTTY === true,
    get columns() { return process.stderr.columns ?? process.stdout.columns ?? 100; },
    get rows() { return process.stderr.rows ?? process.stdout.rows ?? 24; },
    colors: process.stdout.isTTY === true && !environment["NO_COLOR"] && environment["TERM"] !== "dumb",
    async ask(question) {
      const prompt = createInterface({ input: process.stdin, output: process.stderr });
      try { return await prompt.question(question); } finally { prompt.close(); }
    },
  };
}

const colorCodes = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36 } as const;
export type Color = keyof typeof colorCodes;
export const paint = (terminal: Pick<Terminal, "colors">, color: Color | undefined, text: string): string =>
  terminal.colors && color ? `\u001b[${colorCodes[color]}m${text}\u001b[0m` : text;
