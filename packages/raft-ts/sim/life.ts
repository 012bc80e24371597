// One life of a member, from the start of its process to its end: whatever was under way for it ends with it.

export interface LifeOwner {
  /** Something happened to it. */
  look(): void;
  /** It is about to send a message; false: it ended just then, and nothing leaves it. */
  maySend(): boolean;
}

export class Life {
  isOver = false;
  /** The process stands still until then: no timer, no message, no completion reaches it. */
  pausedUntil = 0;
  /** `number` counts the lives of one host. */
  constructor(readonly host: number, readonly number: number, readonly owner?: LifeOwner) {}
}

/** What a life that is over still waits for. Each time another promise: one alone would keep all that ever waited for it, world after world. */
export const never = (): Promise<never> => new Promise(() => {});
