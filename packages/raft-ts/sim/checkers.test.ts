import { strict as assert } from "node:assert";
import type { RaftCore } from "../src/core/raft.js";
import type { Entry } from "../src/core/types.js";
import { Checkers, Seen, Violation } from "./checkers.js";
import { World } from "./world.js";

/** What the checkers look at of a member whose log holds entries of these terms. */
function core(term: number, role: string, terms: readonly number[], commit: number): RaftCore {
  const entries = terms.map((each, i): Entry => ({ index: i + 1, term: each, kind: "noop", data: new Uint8Array(0) }));
  return { term, role, log: { firstIndex: 1, lastIndex: entries.length, commit, entry: (index: number) => entries[index - 1], term: (index: number) => (index === 0 ? 0 : entries[index - 1]?.term) } } as unknown as RaftCore;
}

describe("the checkers of a simulation", () => {
  let checkers: Checkers;
  const look = (id: number, state: RaftCore): void => checkers.look(id, state, new Seen(core(0, "follower", [], 0)));
  const brokenBy = (state: RaftCore): unknown => { try { look(2, state); } catch (error) { return (error as Violation).promise; } return undefined; };

  beforeEach(() => { checkers = new Checkers(new World()); });

  it("miss an entry that was committed in a term before the leader's", () => {
    look(1, core(5, "leader", [1, 5], 2));
    assert.equal(brokenBy(core(6, "leader", [1, 6], 1)), "leader completeness");
  });

  it("miss an entry of an old term that a leader before this one committed with its first", () => {
    look(1, core(4, "leader", [1, 2, 4], 3));
    assert.equal(brokenBy(core(5, "leader", [1, 3], 1)), "leader completeness");
  });

  it("do not ask a leader that wins long after its term for what was committed since", () => {
    look(1, core(8, "leader", [1, 5, 8], 3));
    assert.equal(brokenBy(core(6, "leader", [1, 6], 1)), undefined);
  });

  it("see two leaders of a term, and two entries at one place", () => {
    look(1, core(5, "leader", [1, 5], 2));
    assert.equal(brokenBy(core(5, "leader", [1, 5], 2)), "election safety");
    assert.equal(brokenBy(core(5, "follower", [1, 4], 2)), "state machine safety");
  });
});
