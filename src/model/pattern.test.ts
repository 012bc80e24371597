import { strict as assert } from "node:assert";
import fc from "fast-check";
import { compileGlob, compileRegularExpression, PatternError } from "./pattern.js";

describe("patterns", () => {
  for (const [pattern, value, expected] of [
    ["nvme", "pci-nvme-1", true], ["^nvme", "pci-nvme", false], ["^nvme$", "NVMe", true], ["^(a|b)+c$", "abac", true], ["^(?:ab){2,3}$", "ababab", true],
    ["^(?:ab){2,3}$", "abababab", false], ["[^0-9]", "123", false], ["^[A-C]x$", "bX", true], ["^\\d+\\.\\d+$", "22.04", true], ["^\\w+$", "a-b", false],
    ["a|b|c", "c", true], ["", "", true], ["^$", "a", false], ["x{0}y", "y", true], ["a{x", "a{x", true], ["[]x]", "]", true], ["^(a*)*$", "aaab", false], ["é", "É", true],
    ["[^a]", "A", false], ["x$y", "xy", false], ["^a??b$", "ab", true],
  ] as const) it(`/${pattern}/ ${expected ? "matches" : "does not match"} "${value}"`, () => assert.equal(compileRegularExpression(pattern).matches(value), expected));

  for (const [pattern, why] of [
    ["(a", /not closed/], ["a)", /nothing opened/], ["[a", /not closed/], ["*a", /nothing before it/], ["a**", /repeats a repetition/], ["(?=a)", /look-around/], ["(a)\\1", /back-references/],
    ["\\bx", /of letters only/], ["a{5,2}", /less than the least/], ["a{1000}", /more than 100 times/], ["((a{60}){60}){60}", /too large/], ["[z-a]", /does not go upward/], ["a\\", /ends in a backslash/], ["[\\D]", /inside/],
  ] as const) it(`/${pattern}/ is refused with the reason`, () => assert.throws(() => compileRegularExpression(pattern), (error: Error) => error instanceof PatternError && why.test(error.message)));

  it("a repetition of nothing costs nothing", () => assert.equal(compileRegularExpression(`${"(".repeat(60)}${"){100}".repeat(60)}`).matches("x"), true));

  it("what makes a backtracking matcher hang takes a step a character", () => {
    const hostile = compileRegularExpression("^(a+)+$");
    assert.equal(hostile.matches(`${"a".repeat(20_000)}b`), false);
    assert.equal(compileRegularExpression("^(a|a|a?)*(a|aa)+$").matches("a".repeat(20_000)), true);
    assert.equal(compileGlob("*a*a*a*a*a*a*b").matches("a".repeat(20_000)), false);
  });

  for (const [glob, value, expected] of [
    ["web-*", "WEB-17", true], ["web-*", "my-web-17", false], ["*", "", true], ["n?", "n1", true], ["n?", "n", false], ["a.c", "abc", false], ["[a]*", "[a]b", true], ["*x*", "axb", true], ["a*", "b", false],
  ] as const) it(`glob ${glob} ${expected ? "matches" : "does not match"} "${value}"`, () => assert.equal(compileGlob(glob).matches(value), expected));

  const letter = fc.constantFrom("a", "b", "C", "1", "-");
  const expression = fc.letrec<{ node: string }>((tie) => ({
    node: fc.oneof({ maxDepth: 4 },
      letter, fc.constantFrom(".", "[ab]", "[^a]", "[B-c1]", "\\d", "\\w", "\\S"),
      fc.tuple(tie("node"), tie("node")).map(([a, b]) => `${a}${b}`),
      fc.tuple(tie("node"), tie("node")).map(([a, b]) => `(?:${a}|${b})`),
      fc.tuple(tie("node"), fc.constantFrom("*", "+", "?", "{2}", "{0,2}", "{1,}")).map(([a, times]) => `(${a})${times}`)),
  })).node;
  const subject = fc.array(letter, { maxLength: 6 }).map((letters) => letters.join(""));

  it("agree with the platform's regular expressions", () => {
    fc.assert(fc.property(expression, fc.boolean(), fc.boolean(), subject, (body, isStart, isEnd, value) => {
      const text = `${isStart ? "^" : ""}(?:${body})${isEnd ? "$" : ""}`;
      assert.equal(compileRegularExpression(text).matches(value), new RegExp(text, "i").test(value), text);
    }), { numRuns: 1000 });
  });

  it("read any text, or refuse it with a sentence", () => {
    fc.assert(fc.property(fc.string({ maxLength: 40 }), fc.string({ maxLength: 20 }), (text, value) => {
      try { compileRegularExpression(text).matches(value); } catch (error) { assert.ok(error instanceof PatternError, String(error)); }
      compileGlob(text).matches(value);
    }), { numRuns: 1000 });
  });
});
