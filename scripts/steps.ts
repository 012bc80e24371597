/** Progress of a script: one line a step with the time it took, redrawn on a terminal while it goes on. */
export class Steps {
  readonly #started = performance.now();
  readonly #isTty = process.stderr.isTTY === true;

  /** Runs one step; `note` shows how far it is. A failure leaves the line marked and goes on to the caller. */
  async step<T>(title: string, work: (note: (text: string) => void) => Promise<T>): Promise<T> {
    const from = performance.now();
    let note = "";
    const draw = (mark: string, end: string) => {
      const seconds = `${((performance.now() - from) / 1_000).toFixed(1).padStart(5)} s`;
      process.stderr.write(`${this.#isTty ? "\r\u001b[K" : ""}${mark} ${seconds}  ${title}${note ? ` (${note})` : ""}${end}`);
    };
    const timer = this.#isTty ? setInterval(() => draw("·", ""), 100) : undefined;
    if (this.#isTty) draw("·", "");
    try {
      const result = await work((text) => { note = text; if (this.#isTty) draw("·", ""); });
      clearInterval(timer);
      draw("✓", "\n");
      return result;
    } catch (error) {
      clearInterval(timer);
      draw("✗", "\n");
      throw error;
    }
  }

  get seconds(): number { return (performance.now() - this.#started) / 1_000; }
}
