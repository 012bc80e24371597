import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { home, root, run } from "./run.js";

/** HOME and VAGRANT_HOME are of this process: nothing is left in the user's. */
const vagrant = (args: readonly string[], env: Record<string, string> = {}) =>
  run("vagrant", args, { timeoutMs: 120_000, env: { HOME: home, VAGRANT_HOME: join(home, "vagrant"), VAGRANT_DOTFILE_PATH: join(home, "dot-vagrant"), VAGRANT_CWD: join(root, "vagrant"), VAGRANT_CHECKPOINT_DISABLE: "1", ...env } });

describe("the Vagrantfile", function () {
  this.timeout(180_000);

  it("is valid, with libvirt", async () => {
    const result = await vagrant(["validate"], { VAGRANT_DEFAULT_PROVIDER: "libvirt" });
    assert.equal(result.code, 0, result.stdout + result.stderr);
    assert.match(result.stdout, /validated successfully/);
  });

  it("is valid on a machine with any other provider", async () => {
    const result = await vagrant(["validate", "--ignore-provider"]);
    assert.equal(result.code, 0, result.stdout + result.stderr);
  });

  it("provisions with the script that the README's commands use", async () => {
    assert.match(readFileSync(join(root, "vagrant/provision.sh"), "utf8"), /^sh scripts\/setup$/m);
    assert.equal((await run("sh", ["-n", join(root, "vagrant/provision.sh")])).code, 0);
  });
});
