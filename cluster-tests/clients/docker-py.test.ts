import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { packageRoot } from "../../src/rpc/index.js";
import { ClientHost } from "./client-host.js";

const program = join(packageRoot(dirname(fileURLToPath(import.meta.url))), "cluster-tests/clients/programs/docker-py.py");

describe("docker-py, as Debian has it", function () {
  this.timeout(300_000);
  let host: ClientHost;
  before(async () => { host = await ClientHost.open(); });
  after(() => host?.close());

  it("works in all that its program tries", async () => {
    // Debian's own interpreter has Debian's libraries.
    const { code, stdout, stderr } = await host.sh(`/usr/bin/python3 ${program}`, { timeoutMs: 240_000 });
    const lines = stdout.trim().split("\n");
    assert.deepEqual(lines.filter((line) => !line.startsWith("ok ")), [], stderr);
    assert.ok(lines.length >= 18, stdout);
    assert.equal(code, 0, stderr);
  });
});
