import { SwarmError } from "../../lib/index.js";

const punctuation: Record<string, number> = { "@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, _: 31 };

/** "ctrl-p,ctrl-q" → the bytes that detach; "" → Docker's default, which is that. */
export function parseDetachKeys(text: string): Buffer {
  if (text === "") return Buffer.from([16, 17]);
  return Buffer.from(text.split(",").map((key) => {
    if (key.length === 1 && key.charCodeAt(0) < 128) return key.charCodeAt(0);
    if (key === "DEL") return 127;
    const control = /^ctrl-(.)$/i.exec(key)?.[1]?.toLowerCase();
    if (control && control >= "a" && control <= "z") return control.charCodeAt(0) - 96;
    const code = control === undefined ? undefined : punctuation[control];
    if (code === undefined) throw new SwarmError("INVALID_ARGUMENT", `Cannot attach: detach key "${key.slice(0, 40)}" is not known; write them like "ctrl-p,ctrl-q" or "ctrl-x,a"`);
    return code;
  }));
}

/** Looks for the sequence in what is typed, also when it comes in pieces. What turns out not to be the sequence is passed on. */
export class DetachScanner {
  #matched = 0;

  constructor(private readonly keys: Buffer) {}

  feed(typed: Buffer): { forward: Buffer; isDetached: boolean } {
    const forward: number[] = [];
    for (const byte of typed) {
      if (byte !== this.keys[this.#matched]) {
        forward.push(...this.keys.subarray(0, this.#matched));
        this.#matched = 0;
      }
      if (byte === this.keys[this.#matched]) {
        if (++this.#matched === this.keys.length) return { forward: Buffer.from(forward), isDetached: true };
      } else forward.push(byte);
    }
    return { forward: Buffer.from(forward), isDetached: false };
  }

  /** The input has ended: what was held back was no sequence. */
  rest(): Buffer { return this.keys.subarray(0, this.#matched); }
}
