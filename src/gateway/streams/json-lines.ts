import { messageOf } from "../../lib/index.js";
import type { Exchange } from "../http/exchange.js";

/** Progress that a slow client has not taken yet: of one subject and status only the latest is kept, and never more lines than this. */
const waitingLimit = 10_000;
const waitingLimitBytes = 8 * 1024 * 1024;

/**
 * An answer of JSON lines, each sent by itself. `put` never waits: what a slow client has not taken is replaced by newer progress of the same key.
 * The head goes out with the first line, so a failure before that still has a status of its own.
 */
export class JsonLines {
  #waiting = new Map<string, string>();
  #waitingBytes = 0;
  #unkeyed = 0;
  #sending: Promise<void> | undefined;

  constructor(private readonly exchange: Exchange) {}

  put(line: object, key?: string): void {
    if (this.exchange.signal.aborted) return;
    const text = `${JSON.stringify(line)}\r\n`;
    const name = key ?? `\0${this.#unkeyed++}`;
    this.#take(name);
    while (this.#waiting.size >= waitingLimit || (this.#waiting.size > 0 && this.#waitingBytes + text.length > waitingLimitBytes)) this.#take(this.#waiting.keys().next().value!);
    this.#waiting.set(name, text);
    this.#waitingBytes += text.length;
    this.#sending ??= this.#send().finally(() => { this.#sending = undefined; });
  }

  /** Waits until the client has taken what there is: for sources that can be held back. */
  async drained(): Promise<void> { await this.#sending; }

  /** Sends the rest; a failure becomes the last line when lines have been sent already, else it is thrown on. */
  async finish(work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (error) {
      if (!this.exchange.response.headersSent) throw error;
      this.put({ errorDetail: { ...exitCodeOf(error), message: messageOf(error) }, error: messageOf(error) });
    }
    await this.drained();
    this.#begin();
    this.exchange.end();
  }

  async #send(): Promise<void> {
    // The caller goes on first: lines of one turn go out together.
    await Promise.resolve();
    while (this.#waiting.size > 0) {
      this.#begin();
      const [key, text] = this.#waiting.entries().next().value!;
      this.#take(key);
      if (!(await this.exchange.write(text))) { this.#waiting.clear(); return; }
    }
  }

  #take(key: string): void {
    this.#waitingBytes -= this.#waiting.get(key)?.length ?? 0;
    this.#waiting.delete(key);
  }

  #begin(): void { if (!this.exchange.response.headersSent) this.exchange.begin(200, "application/json"); }
}

/** A build's command that failed gives its exit code to the client, which ends with it. */
function exitCodeOf(error: unknown): { code?: number } {
  const code = error instanceof Error && "exitCode" in error ? error.exitCode : undefined;
  return typeof code === "number" ? { code } : {};
}
