import type { OutputChunk } from "../api/index.js";

const fullBytes = 1_000_000;   // as much as dockerd keeps for a client that attached

/** Output on its way from a socket to one reader: the socket is paused while 1 MB waits, so a slow reader holds back the process, not this one's memory. */
export class OutputQueue {
  #chunks: OutputChunk[] = [];
  #bytes = 0;
  #hasEnded = false;
  #isPaused = false;
  #wake: (() => void) | undefined;
  constructor(private readonly source: { pause(): unknown; resume(): unknown }) {}

  push(chunk: OutputChunk): void {
    if (this.#hasEnded) return;
    this.#chunks.push(chunk);
    this.#bytes += chunk.bytes.length;
    if (this.#bytes >= fullBytes && !this.#isPaused) { this.#isPaused = true; this.source.pause(); }
    this.#wake?.();
  }

  /** What is there is still read. */
  end(): void { this.#hasEnded = true; this.#wake?.(); }

  /** Nobody reads any more. */
  discard(): void {
    this.#hasEnded = true;
    this.#chunks = [];
    this.#release();
    this.#wake?.();
  }

  async *read(): AsyncGenerator<OutputChunk> {
    for (;;) {
      const chunks = this.#chunks;
      this.#chunks = [];
      this.#release();
      for (const chunk of chunks) yield chunk;
      if (this.#chunks.length > 0) continue;
      if (this.#hasEnded) return;
      await new Promise<void>((resolve) => { this.#wake = resolve; });
      this.#wake = undefined;
    }
  }

  #release(): void {
    this.#bytes = 0;
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.source.resume();
  }
}
