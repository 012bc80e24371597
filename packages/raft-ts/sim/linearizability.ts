// Is there an order of all operations, each between its call and its return, that a register could have gone through? After Wing & Gong (1993) with Lowe's memory of what was tried
// (2017): depth first in the order of returns, going back at the first return whose operation has not taken place. Registers are independent, so each is checked alone.

export interface Operation {
  readonly key: number;
  readonly kind: "read" | "write" | "compare-and-swap";
  /** What a write puts there; unique among the writes of a history. Nothing for reads. */
  readonly value: number;
  /** compare-and-swap: only if this is there. */
  readonly expected: number;
  /** Moments, unique in a history. `returned` undefined: nobody knows whether it took place, or will. */
  readonly called: number;
  returned: number | undefined;
  /** What was there: read, or before the write. undefined: not told. */
  seen: number | undefined;
}

export type Verdict = { readonly kind: "linearizable" } | { readonly kind: "violation"; readonly key: number; readonly operations: readonly Operation[] } | { readonly kind: "undecided"; readonly key: number };

/** `budget`: steps for one register, after which it is given up as undecided. */
export function checkLinearizable(operations: readonly Operation[], budget = 1_000_000): Verdict {
  const byKey = new Map<number, Operation[]>();
  for (const operation of operations) {
    const list = byKey.get(operation.key);
    if (list) list.push(operation); else byKey.set(operation.key, [operation]);
  }
  for (const [key, all] of byKey) {
    const relevant = withoutUnseen(all);
    const result = checkRegister(relevant, budget);
    if (result === "violation") return { kind: "violation", key, operations: relevant };
    if (result === "undecided") return { kind: "undecided", key };
  }
  return { kind: "linearizable" };
}

/**
 * An operation that nobody got an answer to and whose value nobody saw may be thought away: every order with it is one without it. Seen is also what a compare-and-swap that stays must have
 * met to write a value that was seen.
 */
function withoutUnseen(operations: readonly Operation[]): Operation[] {
  const seen = new Set(operations.map((operation) => operation.seen));
  for (let size = -1; size !== seen.size;) {
    size = seen.size;
    for (const operation of operations) if (operation.returned === undefined && operation.kind === "compare-and-swap" && seen.has(operation.value)) seen.add(operation.expected);
  }
  return operations.filter((operation) => operation.returned !== undefined || (operation.kind !== "read" && seen.has(operation.value)));
}

/** A call or a return in the list of moments. */
interface Moment { readonly operation: number; readonly isCall: boolean; readonly match: Moment | undefined; previous: Moment; next: Moment | undefined }

function checkRegister(operations: readonly Operation[], budget: number): "linearizable" | "violation" | "undecided" {
  const count = operations.length;
  const head = momentsOf(operations);
  const done = new Uint32Array((count + 31) >>> 5);
  const tried = new Map<number, { readonly done: Uint32Array; readonly state: number }[]>();
  const stack: { readonly call: Moment; readonly state: number; readonly isGuess: boolean }[] = [];
  /** value → how many that saw it have no place yet */
  const unplaced = new Map<number, number>();
  for (const { seen } of operations) if (seen !== undefined) unplaced.set(seen, (unplaced.get(seen) ?? 0) + 1);
  let state = 0, hash = 0, steps = 0;
  // First those that say what they saw: they fit in one place. Only then one that fits anywhere, such as a write without an answer.
  let isGuess = false;
  for (let moment = head.next; head.next !== undefined;) {
    if (++steps > budget) return "undecided";
    if (moment === undefined || !moment.isCall) {
      if (!isGuess) { isGuess = true; moment = head.next; continue; }
      // Nothing that could still go before this return fits.
      const last = stack.pop();
      if (!last) return "violation";
      ({ state, isGuess } = last);
      done[last.call.operation >>> 5]! &= ~(1 << (last.call.operation & 31));
      hash ^= mixed(last.call.operation);
      insert(last.call);
      const { seen } = operations[last.call.operation]!;
      if (seen !== undefined) unplaced.set(seen, unplaced.get(seen)! + 1);
      moment = last.call.next;
      continue;
    }
    const operation = operations[moment.operation]!;
    const isWorthTrying = (operation.seen === undefined) === isGuess && (!isGuess || operation.returned !== undefined || isSeenNext(head, operations, operation));
    let after = isWorthTrying ? stepRegister(operation, state) : undefined;
    // A value comes once: it goes only when all have seen it that did.
    if (after !== undefined && after !== state && (unplaced.get(state) ?? 0) > (operation.seen === undefined ? 0 : 1)) after = undefined;
    if (after !== undefined) {
      const number = moment.operation;
      done[number >>> 5]! |= 1 << (number & 31);
      hash ^= mixed(number);
      if (remember(tried, hash, done, after)) {
        if (operation.seen !== undefined) unplaced.set(operation.seen, unplaced.get(operation.seen)! - 1);
        stack.push({ call: moment, state, isGuess });
        state = after;
        isGuess = false;
        remove(moment);
        // An operation without an answer is over when all others are.
        if (onlyOpenLeft(head)) return "linearizable";
        moment = head.next;
        continue;
      }
      done[number >>> 5]! &= ~(1 << (number & 31));
      hash ^= mixed(number);
    }
    moment = moment.next;
  }
  return "linearizable";
}

/** The register after the operation; undefined: it cannot have seen what it says. */
export function stepRegister(operation: Operation, state: number): number | undefined {
  if (operation.seen !== undefined && operation.seen !== state) return undefined;
  if (operation.kind === "read") return state;
  return operation.kind === "write" || state === operation.expected ? operation.value : state;
}

function momentsOf(operations: readonly Operation[]): Moment {
  const head: Moment = { operation: -1, isCall: true, match: undefined, previous: undefined as unknown as Moment, next: undefined };
  const order: { at: number; operation: number; isCall: boolean }[] = [];
  for (const [number, operation] of operations.entries()) {
    order.push({ at: operation.called, operation: number, isCall: true });
    if (operation.returned !== undefined) order.push({ at: operation.returned, operation: number, isCall: false });
  }
  order.sort((a, b) => a.at - b.at);
  const returns = new Map<number, Moment>();
  let next: Moment | undefined;
  for (let i = order.length - 1; i >= 0; i--) {
    const { operation, isCall } = order[i]!;
    const moment: Moment = { operation, isCall, match: isCall ? returns.get(operation) : undefined, previous: head, next };
    if (!isCall) returns.set(operation, moment);
    if (next) next.previous = moment;
    next = moment;
  }
  head.next = next;
  return head;
}

function remove(call: Moment): void {
  for (const moment of call.match ? [call, call.match] : [call]) {
    moment.previous.next = moment.next;
    if (moment.next) moment.next.previous = moment.previous;
  }
}

/** Undoes `remove`: in the opposite order, so that the neighbours are the same again. */
function insert(call: Moment): void {
  for (const moment of call.match ? [call.match, call] : [call]) {
    moment.previous.next = moment;
    if (moment.next) moment.next.previous = moment;
  }
}

/** Without an answer it need not take place at all: only if what comes right behind it can have met its value. */
function isSeenNext(head: Moment, operations: readonly Operation[], { value }: Operation): boolean {
  for (let moment = head.next; moment?.isCall; moment = moment.next) {
    const next = operations[moment.operation]!;
    if (next.seen === value) return true;
    if (next.seen === undefined && next.kind === "compare-and-swap" && (next.expected === value || next.returned !== undefined)) return true;
  }
  return false;
}

function onlyOpenLeft(head: Moment): boolean {
  for (let moment = head.next; moment; moment = moment.next) if (!moment.isCall || moment.match) return false;
  return true;
}

/** False: the same operations were over with the same value before, and it led nowhere. */
function remember(tried: Map<number, { readonly done: Uint32Array; readonly state: number }[]>, hash: number, done: Uint32Array, state: number): boolean {
  const key = hash ^ Math.imul(state, 0x9e3779b1);
  const list = tried.get(key);
  if (list?.some((other) => other.state === state && isEqual(other.done, done))) return false;
  const entry = { done: done.slice(), state };
  if (list) list.push(entry); else tried.set(key, [entry]);
  return true;
}

function isEqual(a: Uint32Array, b: Uint32Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function mixed(number: number): number {
  const x = Math.imul(number + 1, 0x9e3779b1);
  return Math.imul(x ^ (x >>> 15), 0x85ebca6b);
}
