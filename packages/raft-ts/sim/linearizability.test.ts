import { strict as assert } from "node:assert";
import { checkLinearizable, stepRegister, type Operation } from "./linearizability.js";
import { Random } from "./random.js";

/** "w1 0-2": writes 1 between the moments 0 and 2; "r1 3-4" reads 1; "c1>2=1 5-6" puts 2 in the place of 1, having seen 1. "5-" never returned. */
function history(...lines: string[]): Operation[] {
  return lines.map((line) => {
    const match = /^(?:w(\d+)|r(\d+)|c(\d+)>(\d+)=(\d+)) (\d+)-(\d*)$/.exec(line);
    assert.ok(match, line);
    const [, write, read, expected, value, seen, called, returned] = match;
    const end = returned === "" ? undefined : Number(returned);
    const base = { key: 0, called: Number(called), returned: end };
    if (write !== undefined) return { ...base, kind: "write", value: Number(write), expected: 0, seen: undefined };
    if (read !== undefined) return { ...base, kind: "read", value: 0, expected: 0, seen: Number(read) };
    return { ...base, kind: "compare-and-swap", value: Number(value), expected: Number(expected), seen: end === undefined ? undefined : Number(seen) };
  });
}

const kindOf = (...lines: string[]): string => checkLinearizable(history(...lines)).kind;

describe("linearizability", () => {
  it("takes what one client does after another", () => { assert.equal(kindOf("w1 0-1", "r1 2-3", "w2 4-5", "r2 6-7"), "linearizable"); });
  it("takes a read during a write for before or after", () => {
    assert.equal(kindOf("w1 0-1", "w2 2-9", "r1 3-4", "r2 5-6"), "linearizable");
    assert.equal(kindOf("w1 0-1", "w2 2-9", "r2 3-4", "r1 5-6"), "violation");
  });
  it("finds a stale read", () => { assert.equal(kindOf("w1 0-1", "w2 2-3", "r1 4-5"), "violation"); });
  it("finds a lost write", () => { assert.equal(kindOf("w1 0-1", "r0 2-3"), "violation"); });
  it("finds a value that nobody wrote", () => { assert.equal(kindOf("w1 0-1", "r7 2-3"), "violation"); });
  it("lets an operation without an answer take place late, or never", () => {
    assert.equal(kindOf("w1 0-", "r0 2-3", "r1 4-5"), "linearizable");
    assert.equal(kindOf("w1 0-", "w2 2-3", "r2 4-5"), "linearizable");
    assert.equal(kindOf("w1 0-", "w2 2-3", "r1 4-5"), "linearizable");
    assert.equal(kindOf("w1 0-", "w2 2-3", "r1 4-5", "r2 6-7"), "violation");
  });
  it("follows compare-and-swap", () => {
    assert.equal(kindOf("w1 0-1", "c1>2=1 2-3", "r2 4-5"), "linearizable");
    assert.equal(kindOf("w1 0-1", "c9>2=1 2-3", "r1 4-5"), "linearizable");
    assert.equal(kindOf("w1 0-1", "c9>2=1 2-3", "r2 4-5"), "violation");
    assert.equal(kindOf("c0>1=0 0-5", "c0>2=0 1-6"), "violation");
    assert.equal(kindOf("c0>1=0 0-5", "c0>2=1 1-6"), "linearizable");
  });
  it("looks at each register alone", () => {
    const operations = [...history("w1 0-1", "r1 4-5"), ...history("w2 2-3", "r2 6-7").map((operation) => ({ ...operation, key: 1 }))];
    assert.equal(checkLinearizable(operations).kind, "linearizable");
  });

  /** What a real register does, with random calls and returns around each step. */
  function lawful(random: Random, count: number): Operation[] {
    let state = 0;
    return Array.from({ length: count }, (_, i) => {
      const kind = random.pick(["read", "write", "compare-and-swap"] as const);
      const operation: Operation = { key: 0, kind, value: kind === "read" ? 0 : i + 1, expected: random.chance(0.5) ? state : 0, called: i * 100 - random.below(350) + i / 1000, returned: undefined, seen: undefined };
      const seen = state;
      state = stepRegister(operation, state)!;
      if (kind === "write" || !random.chance(0.1)) operation.returned = i * 100 + 1 + random.below(350) + i / 1000;
      if (kind === "read" && operation.returned === undefined) return operation;
      if (operation.returned !== undefined) operation.seen = seen;
      return operation;
    });
  }

  it("takes every history of a real register", () => {
    for (let seed = 1; seed <= 200; seed++) assert.equal(checkLinearizable(lawful(new Random(seed), 60)).kind, "linearizable", `seed ${seed}`);
  });

  /** Every order tried. */
  function slowly(operations: readonly Operation[]): boolean {
    const search = (left: readonly Operation[], state: number): boolean => {
      if (left.every((operation) => operation.returned === undefined)) return true;
      const firstReturn = Math.min(...left.map((operation) => operation.returned ?? Infinity));
      return left.some((operation) => {
        if (operation.called > firstReturn) return false;
        const after = stepRegister(operation, state);
        return after !== undefined && search(left.filter((other) => other !== operation), after);
      });
    };
    return search(operations, 0);
  }

  it("agrees with the search of all orders, also on histories that were falsified", () => {
    let bad = 0;
    for (let seed = 1; seed <= 500; seed++) {
      const random = new Random(seed);
      const operations = lawful(random, 9);
      for (const operation of operations) if (operation.seen !== undefined && random.chance(0.15)) operation.seen = random.below(9);
      const isLawful = slowly(operations);
      if (!isLawful) bad++;
      assert.equal(checkLinearizable(operations).kind, isLawful ? "linearizable" : "violation", `seed ${seed}`);
    }
    assert.ok(bad > 50 && bad < 450, `${bad} of 500 are unlawful`);
  });
});
