import assert from "node:assert/strict";
import { askedPath, goModeOf, parseStat } from "./path-stat.js";

describe("paths of docker cp", () => {
  it("are absolute, and say by their ending whether a link is followed and what the archive calls it", () => {
    const cases: readonly [string, string, boolean, string][] = [
      ["/etc/passwd", "/etc/passwd", false, "passwd"], ["etc/passwd", "/etc/passwd", false, "passwd"], ["/etc/", "/etc", true, "etc"], ["/etc/.", "/etc", true, "."],
      ["/", "/", true, "/"], ["", "/", true, "/"], [".", "/", true, "/"], ["/.", "/", true, "/"], ["../../x", "/x", false, "x"], ["/a/../b/./c", "/b/c", false, "c"],
    ];
    for (const [given, path, isFollowed, name] of cases) assert.deepEqual(askedPath(given), { path, isFollowed, name }, given);
  });

  it("have modes as Go writes them", () => {
    assert.deepEqual([0o100644, 0o040755, 0o120777, 0o101777, 0o104755, 0o020620, 0o010600].map(goModeOf), [0o644, 2 ** 31 + 0o755, 2 ** 27 + 0o777, 2 ** 20 + 0o777, 2 ** 23 + 0o755, 2 ** 26 + 2 ** 21 + 0o620, 2 ** 25 + 0o600]);
  });

  it("are told by four fields, however they arrive", () => {
    const asked = askedPath("/a/link");
    const bytes = Buffer.from("41471 5 12 500000000\0/a\0\0../x/y\0tar");
    for (let i = 0; i < 32; i++) assert.equal(parseStat(bytes.subarray(0, i), asked), undefined);
    assert.deepEqual(parseStat(bytes, asked), { stat: { name: "link", sizeBytes: 5, goMode: 2 ** 27 + 0o777, mtimeMs: 12_500, linkTarget: "/x/y" }, length: 32 });
  });
});
