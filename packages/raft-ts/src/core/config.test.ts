import { strict as assert } from "node:assert";
import fc from "fast-check";
import { Writer } from "./bytes.js";
import { decodeConfig, encodeConfig } from "./config-codec.js";
import { everyone, hasVote, isJoint, isOnlyVoter, isVoter, leaveJoint, memberOf, nextConfig, voters } from "./config.js";
import { configOf, memberOf as member } from "./hand-test-group.js";
import { halvesOf, hasQuorum } from "./quorum.js";
import type { Config, ConfigChange } from "./types.js";

const context = new Uint8Array(0);
const learner = { isLearner: true };
const ids = (members: readonly { id: number }[]): number[] => members.map((m) => m.id);
const show = (config: Config): string => `${ids(voters(config))}|${ids(config.members.filter((m) => m.isLearner))}|${ids(config.outgoing)}|${config.removed}`;
const base: Config = { members: [member(1), member(2), member(3), member(4, learner)], outgoing: [], removed: [9] };

describe("a configuration", () => {
  // voters | learners | outgoing | removed
  for (const [what, changes, expected] of [
    ["one learner more is a simple step", [{ kind: "add-learner", id: 5, context }], "1,2,3|4,5||9"],
    ["a promotion is a simple step", [{ kind: "promote", id: 4 }], "1,2,3,4|||9"],
    ["a demotion is a simple step", [{ kind: "demote", id: 3 }], "1,2|3,4||9"],
    ["a removal is a simple step", [{ kind: "remove", id: 3 }], "1,2|4||9,3"],
    ["any number of learners move in a simple step", [{ kind: "remove", id: 4 }, { kind: "add-learner", id: 5, context }, { kind: "add-learner", id: 6, context }], "1,2,3|5,6||9,4"],
    ["a voter that was no learner comes through a joint one", [{ kind: "add-voter", id: 5, context }], "1,2,3,5|4|1,2,3|9"],
    ["two voters move through a joint one", [{ kind: "promote", id: 4 }, { kind: "remove", id: 3 }], "1,2,4||1,2,3|9"],
    ["the leader goes through a joint one", [{ kind: "remove", id: 1 }], "2,3|4|1,2,3|9"],
    ["the leader is demoted through a joint one", [{ kind: "demote", id: 1 }], "2,3|1,4|1,2,3|9"],
    ["all voters can be replaced at once", [{ kind: "add-voter", id: 7, context }, { kind: "remove", id: 1 }, { kind: "remove", id: 2 }, { kind: "remove", id: 3 }], "7|4|1,2,3|9"],
    ["a learner that goes is remembered at once, a voter later", [{ kind: "remove", id: 4 }, { kind: "remove", id: 3 }, { kind: "remove", id: 2 }], "1||1,2,3|9,4"],
  ] as const satisfies readonly (readonly [string, readonly ConfigChange[], string])[]) {
    it(what, () => {
      const next = nextConfig(base, changes, 1);
      assert.ok(next.kind === "changed");
      assert.equal(show(next.config), expected);
    });
  }

  it("says when it is as asked for already", () => {
    for (const changes of [[], [{ kind: "promote", id: 1 }], [{ kind: "remove", id: 77 }], [{ kind: "add-learner", id: 2, context }], [{ kind: "update", id: 2, context }], [{ kind: "add-voter", id: 2, context }]] as ConfigChange[][]) {
      assert.equal(nextConfig(base, changes, 1).kind, "same", JSON.stringify(changes));
    }
  });

  for (const [changes, reason] of [
    [[{ kind: "add-learner", id: 9, context }], /member 9 was removed/], [[{ kind: "remove", id: 3 }, { kind: "add-voter", id: 3, context }], /member 3 was removed/],
    [[{ kind: "promote", id: 77 }], /member 77 is not in the group/], [[{ kind: "update", id: 2, priority: -1 }], /priority -1/],
    [[{ kind: "remove", id: 1 }, { kind: "demote", id: 2 }, { kind: "remove", id: 3 }], /no voter would be left/],
  ] as [ConfigChange[], RegExp][]) {
    it(`refuses ${changes.map((c) => `${c.kind} ${c.id}`).join(", ")}, and says why`, () => {
      const next = nextConfig(base, changes, 1);
      assert.ok(next.kind === "unfit");
      assert.match(next.reason, reason);
    });
  }

  it("does not change again while it is joint", () => {
    assert.equal(nextConfig({ ...base, outgoing: [member(1)] }, [{ kind: "remove", id: 4 }], 1).kind, "unfit");
  });

  it("while joint both halves vote, and who is on the way out still gets the log", () => {
    const joint: Config = { members: [member(2), member(3, learner), member(5)], outgoing: [member(1), member(2), member(3)], removed: [] };
    assert.deepEqual(ids(everyone(joint)), [1, 2, 3, 5]);
    assert.deepEqual([1, 2, 3, 5].map((id) => [isVoter(joint, id), hasVote(joint, id)]), [[false, true], [true, true], [false, true], [true, true]]);
    assert.deepEqual(halvesOf(joint), { incoming: [2, 5], outgoing: [1, 2, 3] });
    assert.equal(show(leaveJoint(joint)), "2,5|3||1");
    assert.equal(isOnlyVoter({ members: [member(1)], outgoing: [member(1), member(2)], removed: [] }, 1), false);
    assert.equal(isOnlyVoter(configOf(1), 1), true);
  });

  it("a demoted voter stays a learner until somebody promotes it", () => {
    const demoted = nextConfig(base, [{ kind: "demote", id: 3 }], 1);
    assert.ok(demoted.kind === "changed");
    assert.equal(memberOf(demoted.config, 3)!.staysLearner, true);
    const promoted = nextConfig(demoted.config, [{ kind: "promote", id: 3 }], 1);
    assert.ok(promoted.kind === "changed");
    assert.deepEqual(memberOf(promoted.config, 3), member(3));
  });

  it("forgets the oldest of more than a thousand removed ids", () => {
    const next = nextConfig({ ...base, removed: Array.from({ length: 1000 }, (_, i) => 100 + i) }, [{ kind: "remove", id: 3 }], 1);
    assert.ok(next.kind === "changed");
    assert.deepEqual([next.config.removed.length, next.config.removed[0], next.config.removed.at(-1)], [1000, 101, 3]);
  });

  describe("in any sequence of changes", () => {
    const id = fc.integer({ min: 1, max: 7 });
    const change: fc.Arbitrary<ConfigChange> = fc.oneof(
      fc.record({ kind: fc.constant("add-learner" as const), id, context: fc.uint8Array({ maxLength: 4 }), priority: fc.nat(3), staysLearner: fc.boolean() }),
      fc.record({ kind: fc.constant("add-voter" as const), id, context: fc.uint8Array({ maxLength: 4 }), priority: fc.nat(3) }),
      fc.record({ kind: fc.constantFrom("promote" as const, "demote" as const, "remove" as const), id }),
      fc.record({ kind: fc.constant("update" as const), id, context: fc.uint8Array({ maxLength: 4 }), priority: fc.nat(3) }),
    );
    const isMajority = (config: Config, set: readonly number[]): boolean => hasQuorum(halvesOf(config), (m) => set.includes(m));

    /** Calls `visit` with each pair of configurations that follow each other. */
    function walk(steps: readonly ConfigChange[][], visit: (before: Config, after: Config) => void): void {
      let config = configOf(1, 2, 3);
      for (const changes of steps) {
        const next = isJoint(config) ? { kind: "changed" as const, config: leaveJoint(config) } : nextConfig(config, changes, 1);
        if (next.kind !== "changed") continue;
        visit(config, next.config);
        config = next.config;
      }
    }

    it("majorities of one configuration and the next always meet", () => {
      fc.assert(fc.property(fc.array(fc.array(change, { minLength: 1, maxLength: 4 }), { maxLength: 8 }), (steps) => walk(steps, (before, after) => {
        const all = [1, 2, 3, 4, 5, 6, 7];
        for (let bits = 0; bits < 128; bits++) {
          const set = all.filter((_, i) => bits & (1 << i));
          assert.ok(!isMajority(before, set) || !isMajority(after, all.filter((m) => !set.includes(m))), `${show(before)} → ${show(after)}: ${set} and the rest`);
        }
      })));
    });

    it("bytes give back the same, removed ids stay removed, and somebody votes", () => {
      fc.assert(fc.property(fc.array(fc.array(change, { minLength: 1, maxLength: 4 }), { maxLength: 8 }), (steps) => walk(steps, (before, after) => {
        assert.deepEqual(decodeConfig(encodeConfig(after)), after);
        assert.ok(before.removed.every((m) => after.removed.includes(m)));
        assert.ok(voters(after).length > 0 && !everyone(after).some((m) => after.removed.includes(m.id)));
      })));
    });
  });

  it("reads the bytes of versions that knew no joint configuration", () => {
    const writer = new Writer();
    writer.int(2).int(1).bool(false).bytes(Buffer.from("one")).int(300).bool(true).bytes(Buffer.from("two")).int(1).int(7);
    const config = decodeConfig(writer.finish());
    assert.deepEqual(config.members.map((m) => [m.id, m.isLearner, Buffer.from(m.context).toString()]), [[1, false, "one"], [300, true, "two"]]);
    assert.deepEqual([config.outgoing, config.removed], [[], [7]]);
    assert.deepEqual(encodeConfig(config), writer.finish().slice());
  });
});
