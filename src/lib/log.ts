import { messageOf } from "./errors.js";

export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFields = Readonly<Record<string, unknown>>;

/** Structured log lines: a constant sentence and the fields that vary. Never a secret, a token or a key. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** The same sink with `fields` on every line. */
  with(fields: LogFields): Logger;
}

const order: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 };

/** Lines of `time level message key=value …` to `write`. */
export function createLogger(options: { level?: LogLevel; write?: (line: string) => void; now?: () => number; fields?: LogFields } = {}): Logger {
  const { level = "info", write = (line) => process.stderr.write(line), now = Date.now, fields = {} } = options;
  const emit = (at: LogLevel) => (message: string, more: LogFields = {}) => {
    if (order[at] < order[level]) return;
    const all = { ...fields, ...more };
    const tail = Object.entries(all).map(([key, value]) => ` ${key}=${format(value)}`).join("");
    write(`${new Date(now()).toISOString()} ${at} ${message}${tail}\n`);
  };
  return {
    debug: emit("debug"), info: emit("info"), warn: emit("warn"), error: emit("error"),
    with: (more) => createLogger({ level, write, now, fields: { ...fields, ...more } }),
  };
}

export const silentLogger: Logger = createLogger({ write: () => {} });

function format(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(messageOf(value));
  if (typeof value === "string") return /^[\w.:/@,+-]+$/.test(value) ? value : JSON.stringify(value);
  return JSON.stringify(value) ?? "undefined";
}
