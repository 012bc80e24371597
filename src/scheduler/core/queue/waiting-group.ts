/** Tasks of one revision that wait for whatever node: they are decided about, blocked and explained together. */
export interface WaitingGroup {
  readonly g: number;
  readonly key: string;
  readonly priority: number;
  /** Rows, oldest first. */
  readonly tasks: Set<number>;
  /** Since when the first of them waits, Unix milliseconds. */
  readonly sinceMs: number;
  place: "ready" | "blocked";
  /** It is in the ready queue; one that is decided about elsewhere is in neither. */
  isQueued: boolean;
  /** In the order in which groups began to wait. */
  readonly number: number;
  /** The other thread failed at it: it is decided about in this one, however long that takes. */
  mustStay: boolean;
  /** How often it was decided about: nobody is tried in vain again and again. */
  tries: number;
  /** Where it is registered while it is blocked (blocked-groups.ts). */
  block: Block | undefined;
  /** When it was first blocked, Unix milliseconds; 0 = never. */
  blockedAtMs: number;
  /** Of a gang: how many of its tasks fitted, or were there, when it was blocked. */
  fitted: number;
  /** Nobody could be stopped for it: it is not looked into again before that, and then after twice as long. */
  preemptPauseMs: number;
  preemptAgainAtMs: number;
  /** Placements there had been when it was blocked: more since then, and others get what it waits for. */
  placementsBefore: number;
  /** Those of its tasks that nothing was said to yet; undefined: all. */
  newcomers: Set<number> | undefined;
  explainedAtMs: number;
}

/** What has to change before it is worth trying again. */
export type BlockCause =
  /** No node takes one more now. */
  | { readonly kind: "nodes" }
  /** Its project may not have more, wherever. */
  | { readonly kind: "quota"; readonly project: string }
  /** A gang whose tasks are not all there yet; `untilMs`: then it goes without them. */
  | { readonly kind: "gathering"; readonly untilMs: number };

export interface Block { readonly cause: BlockCause; readonly leave: (() => void)[] }

let lastNumber = 0;

export function newWaitingGroup(g: number, key: string, priority: number, sinceMs: number): WaitingGroup {
  return {
    g, key, priority, sinceMs, tasks: new Set(), place: "ready", isQueued: false, mustStay: false, number: ++lastNumber, tries: 0, block: undefined, blockedAtMs: 0, fitted: 0, placementsBefore: 0, preemptPauseMs: 0, preemptAgainAtMs: 0,
    newcomers: undefined, explainedAtMs: -Infinity,
  };
}
