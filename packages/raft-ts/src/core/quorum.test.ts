import { strict as assert } from "node:assert";
import fc from "fast-check";
import { hasQuorum, quorumIndex, voteResult, type Halves } from "./quorum.js";

/** By trying all sets of voters that are a majority of each half. */
const majorities = (halves: Halves): number[][] => {
  const ids = [...new Set([...halves.incoming, ...halves.outgoing])];
  const isMajority = (half: readonly number[], set: readonly number[]): boolean => half.length === 0 || half.filter((id) => set.includes(id)).length * 2 > half.length;
  return Array.from({ length: 2 ** ids.length }, (_, bits) => ids.filter((_, i) => bits & (1 << i))).filter((set) => isMajority(halves.incoming, set) && isMajority(halves.outgoing, set));
};
const slowIndex = (halves: Halves, match: ReadonlyMap<number, number>): number => Math.max(...majorities(halves).map((set) => Math.min(...set.map((id) => match.get(id) ?? 0))));
const slowVote = (halves: Halves, votes: ReadonlyMap<number, boolean>): string => {
  const sets = majorities(halves);
  if (sets.some((set) => set.every((id) => votes.get(id) === true))) return "won";
  return sets.every((set) => set.some((id) => votes.get(id) === false)) ? "lost" : "pending";
};

const half = (minLength: number) => fc.uniqueArray(fc.integer({ min: 1, max: 7 }), { minLength, maxLength: 5 });
const halves = fc.record({ incoming: half(1), outgoing: half(0) });
const perId = <T>(value: fc.Arbitrary<T>) => fc.array(fc.tuple(fc.integer({ min: 1, max: 7 }), value)).map((pairs) => new Map(pairs));

describe("a quorum", () => {
  for (const [incoming, outgoing, matches, expected] of [
    [[1], [], [12], 12], [[1, 2], [], [12, 5], 5], [[1, 2, 3], [], [12, 5, 7], 7], [[1, 2, 3, 4], [], [9, 8, 7, 6], 7], [[1, 2, 3, 4, 5], [], [9, 8, 7, 6, 5], 7],
    [[1, 2, 3], [], [9], 0], [[1, 2, 3], [1, 2, 3], [12, 5, 7], 7], [[1, 2, 3], [4], [9, 8, 7, 6], 6], [[3, 4, 5], [1, 2, 3], [9, 9, 5, 0, 9], 5], [[4], [1, 2, 3], [9, 8, 7, 100], 8],
    [[], [], [], 0],
  ] as const) {
    it(`voters ${incoming.join(" ")}${outgoing.length > 0 ? ` leaving ${outgoing.join(" ")}` : ""} at ${matches.join(" ")} have agreed up to ${expected}`, () => {
      assert.equal(quorumIndex({ incoming, outgoing }, (id) => matches[id - 1] ?? 0), expected);
    });
  }

  for (const [incoming, outgoing, granted, refused, expected] of [
    [[1, 2, 3], [], [1, 2], [], "won"], [[1, 2, 3], [], [1], [2], "pending"], [[1, 2, 3], [], [1], [2, 3], "lost"], [[1, 2], [], [1], [2], "lost"], [[1, 2, 3, 4], [], [1, 2], [3], "pending"],
    [[1, 2, 3, 4], [], [1, 2], [3, 4], "lost"], [[1, 2, 3], [4], [1, 2], [], "pending"], [[1, 2, 3], [4], [1, 2, 4], [], "won"], [[1, 2, 3], [4], [1, 2, 3], [4], "lost"], [[4], [1, 2, 3], [1, 2, 3], [4], "lost"],
  ] as const) {
    it(`with voters ${incoming.join(" ")}${outgoing.length > 0 ? ` leaving ${outgoing.join(" ")}` : ""}, ${granted.join(" ")} for it and ${refused.join(" ") || "nobody"} against, a vote is ${expected}`, () => {
      const votes = new Map<number, boolean>([...granted.map((id) => [id, true] as const), ...refused.map((id) => [id, false] as const)]);
      assert.equal(voteResult({ incoming, outgoing }, votes), expected);
    });
  }

  it("agrees with trying all majorities", () => {
    fc.assert(fc.property(halves, perId(fc.nat(9)), (h, match) => { assert.equal(quorumIndex(h, (id) => match.get(id) ?? 0), slowIndex(h, match)); }));
    fc.assert(fc.property(halves, perId(fc.boolean()), (h, votes) => { assert.equal(voteResult(h, votes), slowVote(h, votes)); }));
    fc.assert(fc.property(halves, perId(fc.boolean()), (h, votes) => { assert.equal(hasQuorum(h, (id) => votes.get(id) === true), slowVote(h, votes) === "won"); }));
  });

  it("more voters than usual are counted too", () => {
    const incoming = Array.from({ length: 101 }, (_, i) => i + 1);
    assert.equal(quorumIndex({ incoming, outgoing: [] }, (id) => id), 51);
  });
});
