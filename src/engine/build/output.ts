import type { BuildOutput } from "../api/index.js";

const waitingBytesMax = 1024 * 1024;

interface Block { readonly waiting: BuildOutput[]; waitingBytes: number; hasEnded: boolean; wake: (() => void) | undefined }

/** One step's lines. `write` resolves when more is welcome: a step behind another keeps 1 MiB and then waits. */
export interface StepOutput {
  write(text: string): Promise<void>;
  status(output: Extract<BuildOutput, { kind: "status" }>): void;
  end(): void;
}

/** Stages run side by side, their steps' lines stay together: the oldest step that has not ended is shown as it goes, the others wait. */
export class BuildOutputs {
  #blocks: Block[] = [];
  constructor(private readonly emit: (output: BuildOutput) => void | Promise<void>) {}

  /** Nothing may be waited for that another step has to do while a block is open. */
  open(): StepOutput {
    const block: Block = { waiting: [], waitingBytes: 0, hasEnded: false, wake: undefined };
    this.#blocks.push(block);
    const add = (output: BuildOutput): void | Promise<void> => {
      if (this.#blocks[0] === block) return this.emit(output);
      block.waiting.push(output);
      block.waitingBytes += output.kind === "stream" ? output.text.length : 100;
    };
    return {
      write: async (text) => {
        if (text === "") return;
        await add({ kind: "stream", text });
        if (block.waitingBytes > waitingBytesMax) await new Promise<void>((resolve) => { block.wake = resolve; });
      },
      status: (output) => { void add(output); },
      end: () => { block.hasEnded = true; this.#advance(); },
    };
  }

  line(text: string): void { void this.emit({ kind: "stream", text }); }

  #advance(): void {
    while (this.#blocks[0]?.hasEnded) {
      this.#blocks.shift();
      const next = this.#blocks[0];
      if (!next) return;
      for (const output of next.waiting) void this.emit(output);
      next.waiting.length = 0;
      next.waitingBytes = 0;
      next.wake?.();
    }
  }
}
