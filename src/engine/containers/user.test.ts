import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readInRoot, resolveInRoot } from "./root-path.js";
import { resolveUser } from "./user.js";

const passwd = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/var/www:/bin/false\n# note\nbroken\n";
const group = "root:x:0:\nstaff:x:50:web,other\nlogs:x:60:web\n";

describe("engine: a container's user", () => {
  for (const [user, expected] of [
    ["", [0, 0, [0]]], ["web", [33, 34, [34, 50, 60]]], ["33", [33, 34, [34, 50, 60]]], ["web:staff", [33, 50, [50]]], ["web:7", [33, 7, [7]]], ["1234", [1234, 0, [0]]], ["1234:5678", [1234, 5678, [5678]]],
  ] as const) it(`"${user}" is ${JSON.stringify(expected)}`, () => {
    const { uid, gid, additionalGids } = resolveUser(user, [], passwd, group);
    assert.deepEqual([uid, gid, additionalGids], expected);
  });
  it("must exist unless it is a number", () => {
    assert.throws(() => resolveUser("kermit", [], passwd, group), /user "kermit" is not in the image's \/etc\/passwd/);
    assert.throws(() => resolveUser("web:frogs", [], passwd, group), /group "frogs" is not in the image's \/etc\/group/);
    assert.throws(() => resolveUser("web", ["frogs"], passwd, group), /group "frogs"/);
  });
  it("has further groups by name and number", () => assert.deepEqual(resolveUser("1", ["logs", "9", "0"], passwd, group).additionalGids, [0, 60, 9]));
});

describe("engine: paths inside a root", () => {
  it("never lead outside, whatever the links say", async () => {
    const root = mkdtempSync(join(tmpdir(), "skein-root-"));
    try {
      mkdirSync(join(root, "etc"));
      writeFileSync(join(root, "etc/passwd"), "");
      symlinkSync("/etc", join(root, "absolute"));
      symlinkSync("../../../../../etc", join(root, "relative"));
      symlinkSync("loop", join(root, "loop"));
      for (const path of ["/etc/passwd", "/absolute/passwd", "/relative/passwd", "/../../etc/passwd", "/etc/../absolute/./passwd"]) assert.equal(await resolveInRoot(root, path), join(root, "etc/passwd"), path);
      assert.equal(await resolveInRoot(root, "/not/there"), join(root, "not/there"));
      await assert.rejects(resolveInRoot(root, "/loop/x"), /too many symbolic links/);
    } finally { rmSync(root, { recursive: true, force: true }); }
  });
  it("give text for plain files of honest size only", async () => {
    const root = mkdtempSync(join(tmpdir(), "skein-root-"));
    try {
      mkdirSync(join(root, "etc"));
      writeFileSync(join(root, "etc/passwd"), passwd);
      writeFileSync(join(root, "etc/huge"), "");
      truncateSync(join(root, "etc/huge"), 2 ** 40);
      execFileSync("mkfifo", [join(root, "etc/fifo")]);
      symlinkSync("/etc/passwd", join(root, "link"));
      symlinkSync("loop", join(root, "loop"));
      for (const path of ["/etc/passwd", "/link"]) assert.equal(await readInRoot(root, path), passwd);
      for (const path of ["/etc/huge", "/etc/fifo", "/etc", "/nothing", "/loop"]) assert.equal(await readInRoot(root, path), "", path);
    } finally { rmSync(root, { recursive: true, force: true }); }
  });
});
