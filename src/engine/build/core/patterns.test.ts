import assert from "node:assert/strict";
import { parseIgnoreFile } from "./ignore.js";
import { compilePattern, hasWildcards } from "./path-pattern.js";

describe("engine: build: path patterns", () => {
  for (const [pattern, path, isMatch] of [
    ["abc", "abc", true], ["*", "abc", true], ["*c", "abc", true], ["a*", "ab/c", false], ["a*/b", "abc/b", true], ["a*b*c*d*e*/f", "axbxcxdxe/f", true], ["a*b?c*x", "abxbbxdbxebxczzx", true],
    ["a*b?c*x", "abxbbxdbxebxczzy", false], ["ab[c]", "abc", true], ["ab[b-d]", "abc", true], ["ab[^e-g]", "abf", false], ["ab[^e-g]", "abz", true], ["a\\*b", "a*b", true], ["a\\*b", "axb", false],
    ["a?b", "a/b", false], ["[\\]a]", "]", true], ["*x", "xxx", true], ["", "", true], ["a", "", false],
  ] as const) it(`"${pattern}" ${isMatch ? "fits" : "does not fit"} "${path}"`, () => assert.equal(compilePattern(pattern, false).matches(path), isMatch));

  for (const pattern of ["[", "[a", "[]a]", "[-]", "a[", "[a-", "[x-]", "a\\"]) it(`"${pattern}" is refused`, () => assert.throws(() => compilePattern(pattern, false), /is not valid/));

  it("that are hostile end too", () => assert.equal(compilePattern(`${"*a".repeat(100)}*b`, true).matches("a".repeat(4000)), false));
  it("are known from plain names", () => assert.deepEqual(["a", "a*", "a\\*", "a\\\\*", "[x]", "a\\[b"].map(hasWildcards), [false, true, false, true, true, false]));
});

describe("engine: build: .dockerignore", () => {
  for (const [lines, ignored, kept] of [
    ["node_modules", ["node_modules", "node_modules/x/y"], ["src/node_modules", "node_modules2"]],
    ["**/*.log\n!keep.log", ["a.log", "x/y/a.log", "x/keep.log"], ["keep.log", "a.log.txt"]],
    ["*\n!src\n!src/**", ["a", "lib/x"], ["src", "src/a/b"]],
    ["src\n!src/a\nsrc/a/secret", ["src/b", "src/a/secret", "src/a/secret/x"], ["src/a", "src/a/b"]],
    ["# note\n/abs/\n  spaced  \n./dot/../x", ["abs", "abs/y", "spaced", "x"], ["# note", "dot"]],
    ["**", ["a", "a/b"], []], ["a/**", ["a/b", "a/b/c"], ["b/a"]], ["**/b", ["b", "a/b", "a/c/b/d"], ["ab", "a/xb"]], ["a/**/z", ["a/z", "a/b/z", "a/b/c/z/k"], ["a/yz"]],
    ["c++\n*.(x)\nconstructor", ["c++", "a.(x)", "constructor"], ["ccc", "a.x"]], [".", [], ["a"]], ["*/temp*", ["x/temp1"], ["temp", "x/y/temp"]], ["Case", ["Case"], ["case"]],
    ["foo**", ["foo", "foobar/x"], ["xfoo"]], ["**foo", ["foo", "a/foo"], ["a/xfoo"]],
  ] as const) {
    it(JSON.stringify(lines), () => {
      const rules = parseIgnoreFile(lines);
      assert.deepEqual(ignored.filter((path) => !rules.ignores(path)), [], "ignored");
      assert.deepEqual(kept.filter((path) => rules.ignores(path)), [], "kept");
    });
  }
});
